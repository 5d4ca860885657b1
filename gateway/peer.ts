/**
 * Who is at the other end, for counting. Proxies in front that are ours append what they saw to X-Forwarded-For; what
 * stands to the left of their entries may be invented by anyone, so only the entry that the outermost of them wrote counts.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** The eight groups of an IPv6 address that `isIPv6` accepted. */
const groupsOf = (address: string): number[] => {
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const read = (text: string): number[] =>
    text
      .split(':')
      .filter(one => one !== '')
      .flatMap(one => {
        if (!one.includes('.')) return [Number.parseInt(one, 16)];
        const [a = 0, b = 0, c = 0, d = 0] = one.split('.').map(Number);
        return [a * 256 + b, c * 256 + d];
      });
  const [left, right] = [read(head), read(tail ?? '')];
  return [...left, ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
};

/**
 * The name under which an address is counted, null when the text is none. IPv4 as it is, however it is written; of IPv6
 * the first 64 bits, because whoever has one address there has all that begin like it.
 */
export const countedAs = (text: string): string | null => {
  if (isIPv4(text)) return text;
  if (!isIPv6(text)) return null;
  const groups = groupsOf(text);
  const mapped = groups.slice(0, 5).every(one => one === 0) && groups[5] === 0xffff;
  if (mapped) return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.');
  return `${groups
    .slice(0, 4)
    .map(one => one.toString(16))
    .join(':')}::/64`;
};

/** An entry as proxies write it: some add the port. */
const withoutPort = (entry: string): string => {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(entry);
  if (bracketed) return bracketed[1]!;
  return entry.includes('.') ? entry.replace(/:\d+$/, '') : entry;
};

/**
 * @param peer address of the other end of the connection
 * @param forwardedFor every X-Forwarded-For of the request, in order, joined by commas
 * @param hops proxies in front that are ours; 0 believes no header
 * @returns the name under which the caller is counted
 */
export const peerAddress = (peer: string, forwardedFor: string, hops: number): string => {
  const direct = countedAs(peer) ?? peer;
  if (hops === 0) return direct;
  const seen = forwardedFor.split(',');
  return countedAs(withoutPort(seen[seen.length - hops]?.trim() ?? '')) ?? direct;
};
