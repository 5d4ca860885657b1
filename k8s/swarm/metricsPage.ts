/** Reading a page of metrics: one figure out of its labelled lines. */

/** Sum of a metric's lines whose labels contain `labels`; 0 when there is none. */
export const metricSum = (page: string, name: string, labels = ''): number => {
  let sum = 0;
  for (const line of page.split('\n')) {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) continue;
    if (line.includes(labels)) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
};

/** A metric by the values of one of its labels; lines that differ in others are added up. */
export const metricBy = (page: string, name: string, label: string): Record<string, number> => {
  const by: Record<string, number> = {};
  for (const line of page.split('\n')) {
    if (!line.startsWith(`${name}{`)) continue;
    const value = new RegExp(`[{,]${label}="([^"]*)"`).exec(line)?.[1];
    if (value !== undefined) by[value] = (by[value] ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return by;
};

/** Upper bound of the highest bucket of a histogram in which anything was counted; 0 when nothing was. */
export const highestBucket = (page: string, name: string): number => {
  const by = metricBy(page, `${name}_bucket`, 'le');
  const rising = Object.entries(by)
    .map(([le, n]) => ({ le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), n }))
    .sort((a, b) => a.le - b.le);
  const all = rising.at(-1)?.n ?? 0;
  if (all === 0) return 0;
  return rising.find(one => one.n >= all)!.le;
};

/** The same of several pages, added up, less what `before` says. */
export const metricSince = (
  before: readonly string[],
  after: readonly string[],
  name: string,
  label: string,
): Record<string, number> => {
  const by: Record<string, number> = {};
  const add = (pages: readonly string[], sign: number): void => {
    for (const page of pages)
      for (const [value, n] of Object.entries(metricBy(page, name, label)))
        by[value] = (by[value] ?? 0) + sign * n;
  };
  add(after, 1);
  add(before, -1);
  return Object.fromEntries(Object.entries(by).filter(([, n]) => n !== 0));
};
