"""Environment variables as settings: which are ours, and which only look so."""

from fencepost.config.environment import environment_tree

KEYS = {"http": ("host", "port", "max_body_bytes"), "log": ("level",)}


def test_variables_become_a_tree_of_sections() -> None:
    tree = environment_tree(
        {"FENCEPOST_HTTP_MAX_BODY_BYTES": "1", "FENCEPOST_LOG_LEVEL": "info", "PATH": "/bin"}, KEYS
    )
    assert tree.data == {"http": {"max_body_bytes": "1"}, "log": {"level": "info"}}
    assert tree.problems == ()


def test_unknown_variables_are_problems_with_the_nearest_name() -> None:
    environ = {
        "FENCEPOST_HTTP_PROT": "1",
        "FENCEPOST_PORT": "8443",
        "FENCEPOST_": "",
        "FENCEPOST_ZZZZZZ": "",
        "FENCEPOST_" + "A" * 100_000: "",
    }
    reasons = [problem.reason for problem in environment_tree(environ, KEYS).problems]
    assert reasons == [
        "there is no such setting: did you mean FENCEPOST_HTTP_PORT?",
        "there is no such setting: did you mean FENCEPOST_HTTP_PORT?",
        *["there is no such setting: remove the variable"] * 3,
    ]


def test_variables_of_commands_and_tests_are_none_of_its_business() -> None:
    names = ("DATA", "CONFIG", "TOKEN", "URL", "CA", "EXAMPLES", "TEST_POSTGRESQL")
    assert environment_tree({f"FENCEPOST_{name}": "x" for name in names}, KEYS).problems == ()


def test_what_kubernetes_tells_of_a_service_of_that_name_is_none_of_its_business() -> None:
    environ = {
        "FENCEPOST_SERVICE_HOST": "10.0.0.1",
        "FENCEPOST_SERVICE_PORT": "8443",
        "FENCEPOST_SERVICE_PORT_HTTPS": "8443",
        "FENCEPOST_PORT": "tcp://10.0.0.1:8443",
        "FENCEPOST_PORT_8443_TCP": "tcp://10.0.0.1:8443",
        "FENCEPOST_PORT_8443_TCP_PROTO": "tcp",
        "FENCEPOST_PORT_8443_TCP_PORT": "8443",
        "FENCEPOST_PORT_8443_TCP_ADDR": "10.0.0.1",
        "FENCEPOST_HTTP_SERVICE_HOST": "10.0.0.1",
        "FENCEPOST_HTTP_PORT": "tcp://10.0.0.1:8443",
    }
    tree = environment_tree(environ, KEYS)
    assert (tree.problems, tree.data) == ((), {"http": {}, "log": {}})
