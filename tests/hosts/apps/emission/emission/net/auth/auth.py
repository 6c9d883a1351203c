"""Who asks: by the method that the settings choose."""

import json


class Skip:
    """Nobody is asked for anything: the token is the name."""

    def verify(self, token):
        return token


class TokenList:
    """The tokens stand in a file, one per line."""

    def __init__(self):
        with open("conf/net/auth/token_list.json") as stream:
            path = json.load(stream)["token_list"]
        with open(path) as stream:
            self.tokens = [line.strip() for line in stream if line.strip()]

    def verify(self, token):
        if token not in self.tokens:
            raise ValueError("token not found in a list of length %d" % len(self.tokens))
        return token


METHODS = {"skip": Skip, "token_list": TokenList}
