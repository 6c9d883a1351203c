"""Every web server does the same for a site; one host is handed from each to the next."""

from __future__ import annotations

import pytest

from hawser.tasks.webservers import WEB_SERVERS
from tests.hosts import test_rollouts
from tests.hosts.conftest import Fleet
from tests.hosts.test_web_servers import (
    SETTINGS,
    bare,
    test_a_page_closes_the_site_for_everybody_but_health_checks,
    test_a_process_on_a_socket_is_not_told_what_visitors_say_of_themselves,
    test_another_certificate_is_taken_up_by_the_web_server,
    test_browsers_are_told_to_use_https_alone_and_check_says_what_a_site_lacks,
    test_each_web_server_has_the_ports_alone_and_a_second_deploy_finds_nothing_to_do,
    test_files_that_a_build_has_collected_go_with_the_release_that_serves,
    test_files_with_a_hash_in_their_names_are_kept_and_those_of_users_are_not,
    test_logs_of_the_web_server_are_shown_and_nothing_is_found_wrong,
    test_names_that_no_site_claims_do_not_reach_the_application,
    test_no_visitor_notices_a_deploy_and_files_of_the_release_before_are_still_there,
    test_nothing_of_the_site_is_left_after_the_last_server,
    test_requests_to_a_web_server_are_bounded,
    test_streamed_texts_arrive_part_by_part_also_where_texts_are_compressed,
    test_texts_are_compressed_for_those_who_take_it,
    test_visitors_of_the_site_get_pages_files_and_redirects,
    test_visitors_who_can_speak_http2_and_others_do_not,
    test_web_servers_keep_no_site_that_they_refuse,
    test_what_is_streamed_arrives_part_by_part,
)

__all__ = [
    "bare",
    "test_a_page_closes_the_site_for_everybody_but_health_checks",
    "test_a_process_on_a_socket_is_not_told_what_visitors_say_of_themselves",
    "test_another_certificate_is_taken_up_by_the_web_server",
    "test_browsers_are_told_to_use_https_alone_and_check_says_what_a_site_lacks",
    "test_each_web_server_has_the_ports_alone_and_a_second_deploy_finds_nothing_to_do",
    "test_files_that_a_build_has_collected_go_with_the_release_that_serves",
    "test_files_with_a_hash_in_their_names_are_kept_and_those_of_users_are_not",
    "test_logs_of_the_web_server_are_shown_and_nothing_is_found_wrong",
    "test_names_that_no_site_claims_do_not_reach_the_application",
    "test_no_visitor_notices_a_deploy_and_files_of_the_release_before_are_still_there",
    "test_nothing_of_the_site_is_left_after_the_last_server",
    "test_requests_to_a_web_server_are_bounded",
    "test_streamed_texts_arrive_part_by_part_also_where_texts_are_compressed",
    "test_texts_are_compressed_for_those_who_take_it",
    "test_visitors_of_the_site_get_pages_files_and_redirects",
    "test_visitors_who_can_speak_http2_and_others_do_not",
    "test_web_servers_keep_no_site_that_they_refuse",
    "test_what_is_streamed_arrives_part_by_part",
]


# The first one takes over from the last one as well.
@pytest.fixture(scope="module", params=[*WEB_SERVERS, next(iter(WEB_SERVERS))])
def server(bare: Fleet, request: pytest.FixtureRequest) -> str:
    """The web server that the site has now; it takes over from the one before."""
    bare.file.write_text(SETTINGS.format(repository=bare.repository, server=request.param))
    bare.fab("-H", "quay", "bootstrap", "deploy")
    return str(request.param)


# Of Caddy, what is out has no place in its block at all, and there must be something.
@pytest.mark.parametrize(("server", "out"), [("apache", "status=+D"), ("caddy", "/clock/* {")])
def test_a_backend_on_a_port_is_taken_out_of_other_web_servers_while_it_restarts(
    fleet: Fleet, server: str, out: str
) -> None:
    test_rollouts.test_a_backend_on_a_port_is_taken_out_while_it_restarts(fleet, server, out)
