"""Who gets into a host: the team, how people log in, and whom fail2ban bans."""

from __future__ import annotations

from hawser.answers import reading
from hawser.answers.rows import TeamState
from hawser.host import Host
from hawser.host.access import WITHOUT_PASSWORDS, closes, never_banned, sshd_question
from hawser.runner.rows import some

from .registry import Ask, Finding, Findings, on_host

# What a `Match` that says it lets in whom the settings keep out.
LETS_IN = {"passwordauthentication": "yes", "kbdinteractiveauthentication": "yes", "permitrootlogin": "yes"}


@on_host
def team(host: Host, ask: Ask) -> Findings:
    """The people of the settings get into the host, and nobody who has left."""
    members = host.environment.team
    if not members or not host.facts.bootstrapped:
        return
    state, bring = ask(reading.TEAM), f"fab -H {host.target} team.install"
    missing = [name for name in members if name not in at_work(state)]
    if missing:
        yield Finding(f"{some(missing)} of [team] cannot log in", bring)
    left = [name for name in at_work(state) if not any(each["name"] == name for each in state["rights"])]
    if left:
        yield Finding(f"{some(left)} may log in, and no application of this host has them in its team", bring)
    gone = [each["name"] for each in state["rights"] if each["application"] == host.app.name]
    gone = [name for name in gone if name not in members]
    if gone:
        yield Finding(f"{some(gone)} left [team], and may still log in", bring)
    if state["elsewhere"]:
        where = f'fab -H {host.target} run "grep -rn Match /etc/ssh/sshd_config /etc/ssh/sshd_config.d"'
        yield Finding(f"sshd reads the keys of the team in {state['elsewhere']}: another Match comes first", where)
    if state["alone"]:
        yield alone(host, state["alone"])


def alone(host: Host, setting: str) -> Finding:
    look = f'fab -H {host.target} run "sshd -T | grep -i ^allow"'
    message = f"sshd lets in nobody but {setting} …: the team has to be among them"
    return Finding(message, f"{look} shows all; the group of the team is hawser-team", warning=True)


def at_work(state: TeamState) -> list[str]:
    """Return the members of any team who may log in."""
    return [each["name"] for each in state["accounts"] if not each["locked"]]


@on_host
def sshd(host: Host, ask: Ask) -> Findings:
    """Nobody gets in with a password, where the settings say so, whichever file allows it."""
    if not closes(host) or not host.facts.bootstrapped:
        return
    state, bring = ask(reading.SSHD, **sshd_question(host)), f"fab -H {host.target} sshd.install"
    if state["trouble"]:
        yield Finding(state["trouble"], f'fab -H {host.target} run "sshd -t"')
        return
    if state["trial"]:
        yield Finding("what sshd was told is not confirmed, and will be taken back", bring, warning=True)
    for keyword, _value in WITHOUT_PASSWORDS:
        name = keyword.lower()
        holds = state["holds"].get(name, "")
        said = [each for each in state["lines"] if each["keyword"] == name]
        first = next((each for each in said if not each["match"]), None)
        if holds == LETS_IN[name]:
            where = f": {first['path']}, line {first['number']}, says so" if first else ""
            yield Finding(f"{keyword} is {holds}, and [sshd] passwords = false{where}", bring)
        for each in said:
            if each["match"] and each["value"].lower() == LETS_IN[name]:
                message = f"{each['path']}, line {each['number']}: {keyword} is {each['value']} for {each['match']}"
                yield Finding(message, "take that line away, if nobody needs it", warning=True)


@on_host
def fail2ban(host: Host, ask: Ask) -> Findings:
    """Addresses from which many logins fail are banned, and none of ours."""
    setting = host.environment.sshd
    if setting is None or not setting.fail2ban or not host.facts.bootstrapped:
        return
    state = ask(reading.BANS)
    if not state["jail"]:
        if state["there"]:
            look = f'fab -H {host.target} run "journalctl -n 30 --unit=fail2ban"'
            yield Finding("its jail for sshd does not run", look)
        else:
            yield Finding("it is not installed", f"fab -H {host.target} sshd.install")
        return
    ours = [each for each in state["banned"] if each in never_banned(host)]
    if ours:
        yield Finding(f"it bans {some(ours)}", f'fab -H {host.target} run "fail2ban-client unban {" ".join(ours)}"')
