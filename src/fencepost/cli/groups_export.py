"""`fencepost groups export`: the groups as a groups file, as an ARM template, or as Terraform's resources."""

import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from fencepost.cli.access import talk, target_of
from fencepost.cli.groups_export_azure import arm_template
from fencepost.cli.groups_export_terraform import terraform_file
from fencepost.cli.groups_export_yaml import groups_file
from fencepost.cli.groups_plan import group_key
from fencepost.cli.options import wall_clock
from fencepost.cli.output import not_made, plural, printable, say, write_lines
from fencepost.cli.service_options import Stated
from fencepost.client.management import Api
from fencepost.client.management_groups import Expectations, no_group
from fencepost.config.text_file import MAXIMUM_BYTES
from fencepost.model.errors import OperatorError
from fencepost.model.layer import Layer
from fencepost.model.rule import SecurityGroup


class Found(Struct, frozen=True):
    """What is to be written; `warnings` name what could not be had."""

    groups: tuple[SecurityGroup, ...]
    layers: tuple[Layer, ...]
    warnings: tuple[str, ...] = ()


def run_export(stated: Stated, names: Sequence[str], form: str, output: Path | None, *, json: bool) -> None:
    """Write groups to a new file, or (None) to the standard output; raises OperatorError."""
    found = talk(target_of(stated).access, lambda requests: _find(Expectations(Api(requests)), names))
    text, warnings = _written(found, form)
    for warning in (*found.warnings, *warnings):
        say(printable(f"warning: {warning}"), error=True)
    if output is None:
        sys.stdout.write(text)
        return
    _write(output, text)
    if json:
        write_lines([{"file": str(output), "format": form, "groups": len(found.groups)}])
    else:
        say(printable(f"{output}: {plural(len(found.groups), 'group')}"))


def _written(found: Found, form: str) -> tuple[str, list[str]]:
    now = wall_clock()
    if form == "yaml":
        text = groups_file(found.groups, found.layers, now)
        is_long = len(text.encode()) > MAXIMUM_BYTES
        return text, [f"this is more than the {MAXIMUM_BYTES:,} bytes of a groups file"] if is_long else []
    written, warnings = (arm_template if form == "arm" else terraform_file)(found.groups, now)
    lost = [layer for layer in found.layers if layer.rules]
    if lost:
        warnings.append(
            f"the additions for the fleet and for {plural(len(lost), 'layer')} have no place here"
        )
    return written, warnings


async def _find(expectations: Expectations, names: Sequence[str]) -> Found:
    groups = await expectations.groups()
    if names:
        known = {group_key(group.name): group for group in groups}
        missing = [name for name in names if group_key(name) not in known]
        if missing:
            raise OperatorError(problem for name in missing for problem in no_group(name).problems)
        chosen = dict.fromkeys(map(group_key, names))
        return Found(tuple(known[key] for key in chosen), ())
    return await _with_layers(expectations, groups)


async def _with_layers(expectations: Expectations, groups: tuple[SecurityGroup, ...]) -> Found:
    fleet = await expectations.fleet()
    if fleet is None:
        return Found(groups, (), ("this token may not see the additions for the fleet: they are left out",))
    layers = await expectations.device_layers()
    if layers is None:
        reason = "the additions for single devices cannot be listed here: they are left out"
        return Found(groups, (fleet,), (reason,))
    return Found(groups, (fleet, *layers))


def _write(file: Path, text: str) -> None:
    """Write a file that was not there; raises OperatorError."""
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise not_made(str(file), error) from error
