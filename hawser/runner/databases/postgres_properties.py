"""Of a database of PostgreSQL all but its contents, and how another one gets the same."""

from __future__ import annotations

from .postgres import identifier, literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple, TypedDict

    class EveryVersion(TypedDict):
        owner: str
        charset: str
        datcollate: str
        datctype: str
        tablespace: str
        datconnlimit: int
        datistemplate: bool
        datacl: Optional[List[str]]
        # Who grants, to whom (None: everybody), what, and whether that may be granted on.
        rights: Optional[List[Tuple[str, Optional[str], str, bool]]]
        comment: Optional[str]
        # Provider and label.
        labels: Optional[List[Tuple[str, str]]]

    class Properties(EveryVersion, total=False):
        """The fields that are read of a row of `PROPERTIES`, some of which not every version has."""

        datlocprovider: str
        daticulocale: Optional[str]
        datlocale: Optional[str]
        daticurules: Optional[str]


PROPERTIES = """
SELECT row_to_json(found) FROM (
    SELECT d.*, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS charset, t.spcname AS tablespace,
        shobj_description(d.oid, 'pg_database') AS comment, (
            SELECT json_agg(json_build_array(
                pg_get_userbyid(a.grantor), CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
                a.privilege_type, a.is_grantable))
            FROM aclexplode(d.datacl) AS a
        ) AS rights, (
            SELECT json_agg(json_build_array(l.provider, l.label)) FROM pg_shseclabel AS l
            WHERE l.objoid = d.oid AND l.classoid = 'pg_database'::regclass
        ) AS labels
    FROM pg_database AS d JOIN pg_tablespace AS t ON t.oid = d.dattablespace WHERE d.datname = {name}
) AS found;
"""


def creation(name: str, like: Properties) -> str:
    """Return the SQL for an empty database with the encoding, the locale and the tablespace of another one."""
    sql = "CREATE DATABASE %s TEMPLATE template0 ENCODING %s" % (identifier(name), literal(like["charset"]))
    sql += " LC_COLLATE %s LC_CTYPE %s" % (literal(like["datcollate"]), literal(like["datctype"]))
    provider = {"c": "libc", "i": "icu", "b": "builtin"}[like.get("datlocprovider", "c")]
    # PostgreSQL 15 calls it daticulocale, 17 datlocale; 14 knows no providers.
    locale = str(like.get("datlocale") or like.get("daticulocale"))
    if provider != "libc":
        sql += " LOCALE_PROVIDER %s %s %s" % (
            provider,
            "ICU_LOCALE" if provider == "icu" else "BUILTIN_LOCALE",
            literal(locale),
        )
    rules = like.get("daticurules")
    if rules:
        sql += " ICU_RULES %s" % literal(rules)
    return sql + " TABLESPACE %s;" % identifier(like["tablespace"])


def outfit(name: str, fresh: str, like: Properties) -> str:
    """Return the SQL that gives a database the owner, rights, limits, settings, comment and labels of another one."""
    new, owner = identifier(fresh), identifier(like["owner"])
    sql = [
        "BEGIN;",
        "ALTER DATABASE %s OWNER TO %s;" % (new, owner),
        "ALTER DATABASE %s CONNECTION LIMIT %d;" % (new, like["datconnlimit"]),
        "ALTER DATABASE %s IS_TEMPLATE %s;" % (new, "true" if like["datistemplate"] else "false"),
        # The rows themselves: their values, of which lists are none that ALTER would take, stay what they are.
        "INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig)"
        " SELECT n.oid, s.setrole, s.setconfig FROM pg_db_role_setting s, pg_database o, pg_database n"
        " WHERE s.setdatabase = o.oid AND o.datname = %s AND n.datname = %s;" % (literal(name), literal(fresh)),
        "REVOKE ALL ON DATABASE %s FROM PUBLIC, %s;" % (new, owner),
    ]
    if like["comment"] is not None:
        sql.append("COMMENT ON DATABASE %s IS %s;" % (new, literal(like["comment"])))
    for provider, label in like["labels"] or ():
        sql.append("SECURITY LABEL FOR %s ON DATABASE %s IS %s;" % (identifier(provider), new, literal(label)))
    if like["datacl"] is None:
        # That of a database on which nobody ever granted anything.
        sql.append("UPDATE pg_database SET datacl = NULL WHERE datname = %s;" % literal(fresh))
    for grantor, grantee, right, grantable in sorted(like["rights"] or (), key=lambda each: each[0] != like["owner"]):
        grant = "GRANT %s ON DATABASE %s TO %s%s;" % (
            right,
            new,
            identifier(grantee) if grantee else "PUBLIC",
            " WITH GRANT OPTION" if grantable else "",
        )
        if grantor != like["owner"]:
            grant = "SET LOCAL SESSION AUTHORIZATION %s; %s RESET SESSION AUTHORIZATION;" % (literal(grantor), grant)
        sql.append(grant)
    return "\n".join([*sql, "COMMIT;"])
