"""Read a YAML configuration as if it meant harm: bounded in size, in depth, and in what its aliases stand for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from lingualign.errors import InputError, quoted
from lingualign.hub import nearest_path
from lingualign.store import check_regular

_LARGEST = 1 << 20
_DEEPEST = 32
_MOST_NODES = 10_000


class _Loader(yaml.SafeLoader):
    """YAML with numbers such as 1e-3, which PyYAML takes for text, and dates as the text that they are."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the class above has it
        first: [(tag, form) for tag, form in forms if not tag.endswith((":float", ":timestamp"))]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
        |\.[0-9_]+(?:[eE][-+][0-9]+)?
        |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))$""",
        re.VERBOSE,
    ),
    list("-+0123456789."),
)


def read_value(text: str) -> Any:
    """Return what a text stands for in YAML: a number, true, null, a list, names with values; else the text itself."""
    if text.strip() in ("", "-"):
        return text
    try:
        return _load(text, "")
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def read_configuration(path: str, example: str) -> dict[Any, Any]:
    """Read the keys and values of a configuration.

    Parameters
    ----------
    path
        YAML file.
    example
        Names of keys, for the message about a file that has none.

    Raises
    ------
    InputError
        If the file is no configuration: missing, no text, no YAML, no keys, one key twice, or made to explode.
    """
    where = f"--config {path!r}"
    try:
        check_regular(Path(path))
        content = Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"{where}: no such file{nearest_path(path)}; configs/static.yaml is one to start from"
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{where}, line {line}: not UTF-8 text; save it as UTF-8") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{where} cannot be read: {getattr(error, 'strerror', error)}") from None
    if len(content) > _LARGEST:
        raise InputError(
            f"{where}: larger than {_LARGEST >> 20} MiB, as no configuration is; give another file"
        )
    try:
        keys = _load(text, where)
    except RecursionError:
        raise InputError(f"{where}: nested too deeply; write keys with values") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = error.problem or "a mistake"
        cure = "; indent with spaces, not with tabs" if "'\\t'" in problem else ""
        raise InputError(f"{where}, line {line}: not YAML: {quoted(problem)}{cure}") from None
    except InputError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{where}: not YAML: {quoted(str(error))}") from None
    if not isinstance(keys, dict):
        raise InputError(
            f"{where}: expected keys with values, such as 'output: runs/mine'; there are {example}"
        )
    return keys


def _load(text: str, where: str) -> Any:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _check_nodes(root, where)
        return loader.construct_document(root)
    except (AttributeError, LookupError, TypeError):  # of PyYAML, for `!!timestamp x` or `!!bool x`
        raise ValueError("a value is not of the kind that its tag (!!kind) says") from None
    finally:
        loader.dispose()


def _check_nodes(root: yaml.Node, where: str) -> None:
    """Look at every node as often as it is used: an alias may stand for thousands of others, or for its own parent."""
    looked_at = 0
    waiting: list[tuple[yaml.Node, int]] = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        line = node.start_mark.line + 1
        looked_at += 1
        if depth > _DEEPEST:
            raise InputError(f"{where}, line {line}: nested too deeply; write keys with values")
        if looked_at > _MOST_NODES:
            raise InputError(
                f"{where}, line {line}: more than {_MOST_NODES:,} values, aliases (*name) written out; write fewer"
            )
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                place = f"{where}, line {key.start_mark.line + 1}"
                if not isinstance(key, yaml.ScalarNode):
                    raise InputError(f"{place}: a list or a section as a key; a key is a word")
                if key.value in seen:
                    raise InputError(f"{place}: the key {key.value!r} is there a second time; join both")
                seen.add(key.value)
                waiting.append((value, depth + 1))
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(value, depth + 1) for value in node.value]
