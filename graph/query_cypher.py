"""The Cypher of `graph.queries`; text only, no driver.

Every text begins at keys, goes a fixed number of steps from there, and says by `LIMIT` how many it takes at each
that may be wide. `seek` demands the index, `live` keeps to the night that is shown. A test asks Neo4j for the plan of each text in `TEXTS`.

`LINKED.weight` is 0 for a hub (`graph.links`): such an identifier is named and leads nowhere.
"""

from graph.store_cypher import EMBEDDING_INDEX, live, seek

__all__ = [
    "ACCOUNT",
    "ACCOUNT_LINKS",
    "FIND",
    "HOLDERS",
    "KNOWN_ACCOUNT",
    "NEAREST",
    "NEIGHBOURS",
    "PAIRS",
    "PATH_ACCOUNTS",
    "PATH_IDENTIFIERS",
    "QUEUE",
    "RING",
    "RING_ACCOUNTS",
    "RING_LINKS",
    "RING_PAIRS",
    "TEXTS",
]


def _micros(time: str) -> str:
    """A time as microseconds since 1970: the driver takes a hundred times as long for a time as for a number."""
    return f"{time}.epochSeconds * 1000000 + {time}.microsecond"


_RING = f"""ring.ring_id AS ring_id, s.ring_version AS ring_version, s.score AS score, s.n_accounts AS n_accounts,
       {_micros("s.first_seen")} AS first_seen, s.reasons AS reasons, status.status AS status, s.place AS place,
       s.n_shared AS n_shared, s.shared_types AS shared_types"""
_TIMES = f"""first_seen: {_micros("r.first_seen")}, last_seen: {_micros("r.last_seen")}, n_events: r.n_events"""
_LINK = f"""identifier_type: i.identifier_type, identifier: i.identifier, weight: r.weight, is_hub: r.weight = 0,
           {_TIMES}"""

# one row each at most, of an account `a`
_STANDING = f"""
OPTIONAL MATCH (a)-[s:SCORED]->() WHERE {live("s")}
OPTIONAL MATCH (a)-[u:SUSPECTED_IN]->(ring) WHERE {live("u")}
OPTIONAL MATCH (a)-[l:LABELLED]->(o) WHERE {live("l")}"""
_STANDING_NAMES = "s.score AS score, s.rank AS rank, ring.ring_id AS ring_id, o.outcome AS outcome"
_REASONS = f"""COLLECT {{
    MATCH (a)-[b:BECAUSE]->(code) WHERE {live("b")}
    RETURN {{code: code.code, text: b.text, contribution: b.contribution, evidence: b.evidence}}
    ORDER BY b.contribution DESC, code.code, b.text LIMIT $max_reasons
}}"""
# How many hold `i`: exact up to $max_holders; above, what the node's own counter says, which a load in progress moves.
_N_ACCOUNTS = f"""
CALL (i) {{
    RETURN COUNT {{ (i)<-[:LINKED]-() }} AS degree
}}
CALL (i, degree) {{
    WITH i, degree WHERE degree > $max_holders RETURN degree AS n_accounts
    UNION ALL
    WITH i, degree WHERE degree <= $max_holders
    MATCH (i)<-[h:LINKED]-() WHERE {live("h")} RETURN count(h) AS n_accounts
}}"""

_WANTED = seek("i", "Identifier", {"identifier_type": "wanted.identifier_type", "identifier": "wanted.identifier"})

QUEUE = f"""
MATCH (ring:Ring)-[s:STANDS_AS]->(status:Status)
USING INDEX SEEK s:STANDS_AS(place)
WHERE s.place > $after AND {live("s")}
  AND ($statuses IS NULL OR status.status IN $statuses)
  AND ($min_score IS NULL OR s.score >= $min_score)
  AND ($min_accounts IS NULL OR s.n_accounts >= $min_accounts)
  AND ($identifier_type IS NULL OR $identifier_type IN s.shared_types)
RETURN {_RING}
ORDER BY s.place LIMIT $limit
"""
RING = f"""
{seek("ring", "Ring", {"ring_id": "$ring_id"}, "-[s:STANDS_AS]->(status)")}
WHERE {live("s")}
RETURN {_RING} LIMIT 1
"""
RING_ACCOUNTS = f"""
{seek("ring", "Ring", {"ring_id": "$ring_id"}, "<-[own:SUSPECTED_IN]-(a:Account)")}
WHERE {live("own")}
OPTIONAL MATCH (a)-[s:SCORED]->() WHERE {live("s")}
WITH a, s ORDER BY s.rank, a.account_id LIMIT $max_accounts
OPTIONAL MATCH (a)-[l:LABELLED]->(o) WHERE {live("l")}
OPTIONAL MATCH (a)-[m:MEMBER_OF]->(c) WHERE {live("m")}
RETURN a.account_id AS account_id, s.score AS score, s.rank AS rank, o.outcome AS outcome, c.cluster_id AS cluster_id,
       m.identity_id AS identity_id, COUNT {{ (a)-[r:LINKED]->() WHERE {live("r")} }} AS n_identifiers, {_REASONS} AS reasons
ORDER BY rank, account_id
"""
RING_LINKS = f"""
UNWIND $accounts AS account_id
{seek("a", "Account", {"account_id": "account_id"})}
CALL (a) {{
    MATCH (a)-[r:LINKED]->(i) WHERE {live("r")}
    WITH i, r ORDER BY r.weight = 0, r.weight, i.identifier_type, i.identifier LIMIT $max_identifiers
    RETURN collect({{{_LINK}}}) AS links
}}
RETURN account_id, links
"""
RING_PAIRS = f"""
UNWIND $accounts AS account_id
{seek("x", "Account", {"account_id": "account_id"})}
WITH collect(x) AS members
UNWIND members AS a
CALL (a, members) {{
    MATCH (a)-[r:PAIRED]->(b) WHERE {live("r")} AND b IN members
    WITH r, b ORDER BY r.weight_bits DESC, b.account_id LIMIT $max_pairs
    RETURN collect({{account_b: b.account_id, weight_bits: r.weight_bits, identifier_types: r.identifier_types,
            evidence: r.evidence}}) AS pairs
}}
RETURN a.account_id AS account_a, pairs
"""
KNOWN_ACCOUNT = f"""
{seek("a", "Account", {"account_id": "$account_id"})}
WHERE {live("a")}
RETURN a.account_id AS account_id LIMIT 1
"""
ACCOUNT = f"""
{seek("a", "Account", {"account_id": "$account_id"})}
WHERE {live("a")}
OPTIONAL MATCH (a)-[m:MEMBER_OF]->(c) WHERE {live("m")}{_STANDING}
RETURN a.account_id AS account_id, {_STANDING_NAMES}, c.cluster_id AS cluster_id, m.identity_id AS identity_id,
       COUNT {{ (a)-[r:LINKED]->() WHERE {live("r")} }} AS n_identifiers, {_REASONS} AS reasons
LIMIT 1
"""
ACCOUNT_LINKS = f"""
UNWIND $accounts AS account_id
{seek("a", "Account", {"account_id": "account_id"})}
CALL (a) {{
    MATCH (a)-[r:LINKED]->(i)
    WHERE {live("r")} AND ($identifier_type IS NULL OR i.identifier_type = $identifier_type)
    RETURN i, {{{_LINK}}} AS link
    ORDER BY link.is_hub, link.weight, link.identifier_type, link.identifier LIMIT $max_identifiers
}}{_N_ACCOUNTS}
RETURN account_id, link, n_accounts
"""
FIND = f"""
UNWIND $wanted AS wanted
{_WANTED}{_N_ACCOUNTS}
CALL (i) {{
    MATCH (i)<-[r:LINKED]-(a) WHERE {live("r")}
    WITH a, r LIMIT $max_holders{_STANDING}
    RETURN {{account_id: a.account_id, score: s.score, rank: s.rank, ring_id: ring.ring_id, outcome: o.outcome,
            {_TIMES}}} AS account, r.weight AS weight
    ORDER BY account.rank, account.account_id LIMIT $limit
}}
RETURN i.identifier_type AS identifier_type, i.identifier AS identifier, n_accounts, weight, account
"""
HOLDERS = f"""
UNWIND $wanted AS wanted
{_WANTED}{_N_ACCOUNTS}
RETURN i.identifier_type AS identifier_type, i.identifier AS identifier, n_accounts LIMIT $max_identifiers
"""
NEIGHBOURS = f"""
UNWIND $wanted AS wanted
{_WANTED}
CALL (i) {{
    MATCH (i)<-[r:LINKED]-(a) WHERE {live("r")} AND a.account_id <> $account_id
    RETURN a, r LIMIT $max_holders
}}
WITH a, sum(r.weight) AS bits, collect({{{_LINK}}}) AS shared
ORDER BY bits DESC, a.account_id
WITH collect({{a: a, bits: bits, shared: shared}}) AS found
UNWIND found[..$limit] AS one
WITH size(found) AS n_found, one.a AS a, one.bits AS bits, one.shared AS shared{_STANDING}
RETURN a.account_id AS account_id, {_STANDING_NAMES}, bits, shared, n_found
ORDER BY bits DESC, account_id
"""
# an identifier is one text here, its type and hash with a blank between: the driver takes texts fastest
PATH_IDENTIFIERS = f"""
UNWIND $nodes AS node
{seek("a", "Account", {"account_id": "node"})}
CALL (a) {{
    MATCH (a)-[r:LINKED]->(i) WHERE {live("r")} AND r.weight > 0 AND COUNT {{ (i)<-[:LINKED]-() }} > 1
    WITH i, r ORDER BY r.weight DESC, i.identifier LIMIT $max_fan
    RETURN collect(i.identifier_type + ' ' + i.identifier) AS next
}}
RETURN node, next
"""
PATH_ACCOUNTS = f"""
UNWIND $nodes AS node
WITH node, split(node, ' ') AS name
{seek("i", "Identifier", {"identifier_type": "name[0]", "identifier": "name[1]"})}
CALL (i) {{
    MATCH (i)<-[r:LINKED]-(a) WHERE {live("r")} AND r.weight > 0
    WITH a LIMIT $max_fan
    RETURN collect(a.account_id) AS next
}}
RETURN node, next
"""
PAIRS = f"""
UNWIND $hops AS hop
{seek("a", "Account", {"account_id": "hop[0]"}, "-[r:PAIRED]-(b)")}
WHERE {live("r")} AND b.account_id = hop[1]
RETURN hop[0] AS account_a, hop[1] AS account_b, r.weight_bits AS weight_bits, r.evidence AS evidence LIMIT 100
"""
NEAREST = f"""
{seek("a", "Account", {"account_id": "$account_id"}, "-[own:EMBEDDED]->(version)")}
WHERE {live("own")}
CALL db.index.vector.queryRelationships('{EMBEDDING_INDEX}', $n_asked, own.embedding) YIELD relationship AS hit, score
WITH own, version, hit, score, startNode(hit) AS other
WHERE hit <> own AND endNode(hit) = version AND {live("hit")}
RETURN other.account_id AS account_id, score AS similarity
ORDER BY similarity DESC, account_id LIMIT $k
"""

TEXTS: dict[str, str] = {
    "ACCOUNT": ACCOUNT,
    "ACCOUNT_LINKS": ACCOUNT_LINKS,
    "FIND": FIND,
    "HOLDERS": HOLDERS,
    "KNOWN_ACCOUNT": KNOWN_ACCOUNT,
    "NEAREST": NEAREST,
    "NEIGHBOURS": NEIGHBOURS,
    "PAIRS": PAIRS,
    "PATH_ACCOUNTS": PATH_ACCOUNTS,
    "PATH_IDENTIFIERS": PATH_IDENTIFIERS,
    "QUEUE": QUEUE,
    "RING": RING,
    "RING_ACCOUNTS": RING_ACCOUNTS,
    "RING_LINKS": RING_LINKS,
    "RING_PAIRS": RING_PAIRS,
}
"""All of them, by name."""
