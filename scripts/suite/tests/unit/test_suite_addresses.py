"""Where commands look for the services is where the services listen."""

from command_line.addresses import ASSESSMENT_URL, PROVIDER_URL
from command_line.loopback import HOST
from suite.installed import SERVICES


def test_commands_look_for_the_services_at_the_ports_of_their_settings() -> None:
    assessment, provider, _ = SERVICES

    for service, url in ((assessment, ASSESSMENT_URL), (provider, PROVIDER_URL)):
        assert url == f"http://{HOST}:{service.settings.model_fields['http_port'].default}"
