/**
 * Which NATS servers may keep leases. Below 2.10.23 a killed server lost whole streams that it had acknowledged
 * (jepsen.io/analyses/nats-2.12.1, nats-server issue 6888).
 */
export const NATS_VERSION_MIN = '2.10.23';

/** `2.10.27`, `v2.12.1-preview.2`: the three numbers, or null when it is no version. */
export function parseVersion(version: string): [number, number, number] | null {
  const found = /^v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].*)?$/.exec(version);
  return found && [Number(found[1]), Number(found[2]), Number(found[3])];
}

export function isVersionAllowed(version: string): boolean {
  const have = parseVersion(version);
  const want = parseVersion(NATS_VERSION_MIN)!;
  if (!have) return false;
  for (const [place, number] of have.entries()) {
    if (number !== want[place]) return number > want[place]!;
  }
  return true;
}
