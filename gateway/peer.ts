/**
 * Who is at the other end. Proxies in front that are ours append what they saw to X-Forwarded-For; what stands to the
 * left of their entries may be invented by anyone, so only the entry that the outermost of them wrote counts.
 *
 * @param hops proxies in front that are ours; 0 believes no header
 */
export const peerAddress = (peer: string, forwardedFor: string, hops: number): string => {
  if (hops === 0) return peer;
  const seen = forwardedFor.split(',');
  return seen[seen.length - hops]?.trim() || peer;
};
