"""Upload a champion, look at it, look at the master node."""

import os
import xmlrpc.client

from django.conf import settings
from django.contrib.auth.models import User
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect

from .models import Champion


def start(request):
    return redirect("/game/")


def index(request):
    # The number of players is counted with, so it has to be a number.
    players = list(range(1, settings.STECHEC_NPLAYERS + 1))
    return JsonResponse({"game": settings.STECHEC_CONTEST, "players": players, "champions": Champion.objects.count()})


def new_champion(request):
    author = get_object_or_404(User, username=request.POST["author"])
    champion = Champion.objects.create(name=request.POST["name"], author=author, status="creating")
    os.makedirs(champion.directory)
    with open(os.path.join(champion.directory, "champion.tgz"), "w") as stream:
        stream.write(request.POST["source"])
    champion.status = "new"
    champion.save()
    return JsonResponse({"id": champion.id})


def champion(request, pk):
    found = get_object_or_404(Champion, pk=pk)
    return JsonResponse({"status": found.status, "log": found.compilation_log})


def master_status(request):
    rpc = xmlrpc.client.ServerProxy(settings.STECHEC_MASTER)
    return JsonResponse({"workers": sorted(rpc.status())})
