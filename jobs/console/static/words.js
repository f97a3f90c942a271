/**
 * What the picture's modules say, in words: evidence, times, counts. Pure: text in, text out. Sends no events.
 */

/** A number with so many digits after the point, and its thousands parted. */
export function number(value, digits = 0) {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** `1 account`, `2 accounts`. */
export function count(n, one, many = `${one}s`) {
  return `${number(n)} ${n === 1 ? one : many}`;
}

/** Weights of evidence, with their unit. */
export function bits(value) {
  return `${number(value, 1)} bits`;
}

/** A type of identifier as people read it. */
export function typeName(type) {
  return type.replaceAll("_", " ");
}

/** The day of an instant, UTC, as 2026-03-31. @param {number|string} time milliseconds since 1970, or RFC 3339. */
export function day(time) {
  return new Date(time).toISOString().slice(0, 10);
}

/** `A, B and C`. */
export function list(parts) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** How far apart two first uses lie. @param {number|null} days */
export function gap(days) {
  if (days === null || days === undefined) return "";
  if (days < 1 / 24) return "first used within an hour of each other";
  if (days < 1) return `first used ${count(Math.round(days * 24), "hour")} apart`;
  return `first used ${number(days, days < 10 ? 1 : 0)} days apart`;
}

/** What one shared identifier says of two accounts: the parts of a sentence after its name. */
export function evidence(row) {
  const said = [];
  if (row.n_accounts) said.push(`${count(row.n_accounts, "account")} ${row.n_accounts === 1 ? "holds" : "hold"} it`);
  if (row.gap_days !== null && row.gap_days !== undefined) said.push(gap(row.gap_days));
  if (row.is_concurrent === true) said.push("in use at the same time");
  if (row.is_concurrent === false) said.push("one after the other");
  if (row.is_crossed) said.push("under names and birth dates that are not one person's");
  return said.join("; ");
}

const HINDRANCES = {
  hub: "too many hold it, so it joins nobody",
  large_group: "more than 24 hold it, so each is joined to the few that came just before it alone",
  too_few_bits: "it says too little by itself",
};

/** Why something that two accounts share does not join them. */
export function hindrance(name) {
  return HINDRANCES[name] ?? "";
}

/** A path as sentences: `A and B share device k3f2; B and C share ...`. */
export function path(hops) {
  return hops
    .map((hop, place) => {
      const shared = (hop.evidence.length ? hop.evidence : hop.shared).map((row) => row.name);
      const told = shared.length > 3 ? [...shared.slice(0, 3), `${shared.length - 3} more`] : shared;
      return `${place ? "then " : ""}${hop.account_a} and ${hop.account_b} share ${list(told)}`;
    })
    .join(", ")
    .concat(".");
}
