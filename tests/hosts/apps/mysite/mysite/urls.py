from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import path


async def home(request: HttpRequest) -> HttpResponse:
    """Greet, and prove that the database has its tables."""
    scheme = "securely" if request.is_secure() else "in the open"
    return HttpResponse(f"Hello, {scheme}. {await User.objects.acount()} users.")


urlpatterns = [path("", home)]
