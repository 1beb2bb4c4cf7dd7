"""`spinefrac users`: who may sign in to the app and to REST, and who did what."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinefrac.cli import output

if TYPE_CHECKING:
    from spinefrac.access.users import User

app = typer.Typer(help="Users of the team server: invite, list and remove them; the audit log.")


class RoleName(StrEnum):
    """The roles that a user can have."""

    VIEWER = "viewer"
    TRAINER = "trainer"
    ADMIN = "admin"


NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name, or address at the sign-in provider.")
]
UrlOption = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="SPINEFRAC_URL",
        help="Address of the app, as users see it; the link begins with it.",
    ),
]
RoleOption = Annotated[RoleName, typer.Option(help="What the user may do.")]
DEFAULT_URL = "http://127.0.0.1:8501"


@app.command("add")
def add_user(
    name: NameArgument,
    role: RoleOption = RoleName.VIEWER,
    url: UrlOption = DEFAULT_URL,
    as_json: output.JsonOption = False,
) -> None:
    """Add a user and print the link of the invitation, which holds once and for 7 days.

    Who signs in by OIDC or a proxy needs no link: only the same name.
    """
    from spinefrac.access import accounts
    from spinefrac.access.policy import LOCAL, Role

    user = accounts.add(LOCAL, name, Role(role))
    _print_link(user, url, as_json)


@app.command("invite")
def invite_user(
    name: NameArgument, url: UrlOption = DEFAULT_URL, as_json: output.JsonOption = False
) -> None:
    """Print a new link for a user; it takes the place of the last one."""
    from spinefrac.access import users

    _print_link(users.get(name), url, as_json)


@app.command("list")
def list_users(as_json: output.JsonOption = False) -> None:
    """List users with their roles."""
    from spinefrac.access import users

    found = users.list_users()
    if as_json:
        output.print_json([asdict(user) for user in found])
    elif found:
        rows = [("name", "role", "added", "last seen")]
        rows += [
            (user.name, str(user.role), user.created_at[:10], user.last_seen_at[:10] or "–")
            for user in found
        ]
        output.print_result(output.format_table(rows))
    else:
        output.print_result("There are no users: on this machine itself no sign-in is needed.")


@app.command("role")
def change_role(
    name: NameArgument,
    role: Annotated[RoleName, typer.Argument(help="What the user may do from now on.")],
    as_json: output.JsonOption = False,
) -> None:
    """Give a user another role, at once. The last admin stays one."""
    from spinefrac.access import accounts
    from spinefrac.access.policy import LOCAL, Role

    user = accounts.set_role(LOCAL, name, Role(role))
    if as_json:
        output.print_json(asdict(user))
    else:
        output.print_line(f"{user.name} is {user.role}")


@app.command("remove")
def remove_user(name: NameArgument, as_json: output.JsonOption = False) -> None:
    """Remove a user with all tokens and sessions; models and data sets stay, and the last admin."""
    from spinefrac.access import accounts
    from spinefrac.access.policy import LOCAL

    accounts.remove(LOCAL, name)
    if as_json:
        output.print_json({"removed": name})
    else:
        output.print_line(f"{name} removed")


@app.command("token")
def create_token(
    name: NameArgument,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it holds.")] = 90,
    as_json: output.JsonOption = False,
) -> None:
    """Print a token for REST, which is also accepted on the sign-in page."""
    from spinefrac.access import users
    from spinefrac.access.users import Kind

    token = users.issue(name, Kind.REST, timedelta(days=days))
    if as_json:
        output.print_json({"name": name, "token": token, "days": days})
    else:
        output.print_line(token)
        output.print_message(f"it holds for {days} days and is not shown again")


@app.command("log")
def show_log(
    last: Annotated[int, typer.Option(min=1, help="Number of lines, newest first.")] = 20,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the whole log to this file, .json or .csv."),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Show or export who did what; it holds no patient data and no names of files."""
    from spinefrac.access import audit_log

    entries = audit_log.list_entries(None if out is not None else last)
    if out is not None:
        to_text = audit_log.to_csv if out.suffix.lower() == ".csv" else audit_log.to_json
        out.write_text(to_text(entries), encoding="utf-8", newline="\n")
        if as_json:
            output.print_json({"file": str(out), "lines": len(entries)})
        else:
            output.print_line(f"{out}: {len(entries)} lines")
    elif as_json:
        output.print_json([asdict(entry) for entry in entries])
    elif entries:
        rows = [("at", "who", "role", "action", "subject")]
        rows += [(e.at[:19], e.who, e.role, e.action, e.subject or "–") for e in entries]
        output.print_result(output.format_table(rows))
    else:
        output.print_result("Nothing is logged yet.")


def _print_link(user: User, url: str, as_json: bool) -> None:
    from spinefrac.access import accounts, users
    from spinefrac.access.policy import LOCAL

    link = users.make_invitation_link(url, accounts.invite(LOCAL, user.name))
    if as_json:
        output.print_json(asdict(user) | {"link": link})
    else:
        output.print_line(link)
        output.print_message(f"{user.name} ({user.role}): the link holds once, for 7 days")
