/** The few options of the benchmarks: `--name value` or `--name`, each with a default. */

/** A whole number given as `--name N`. Throws with a sentence when it is none. */
export const numberArg = (args: readonly string[], name: string, fallback: number): number => {
  const at = args.indexOf(`--${name}`);
  if (at < 0) return fallback;
  const value = Number(args[at + 1]);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} takes a number`);
  return value;
};

export const flagArg = (args: readonly string[], name: string): boolean => args.includes(`--${name}`);

/** What follows `--name`. */
export const textArg = (args: readonly string[], name: string, fallback: string): string => {
  const at = args.indexOf(`--${name}`);
  if (at < 0) return fallback;
  const value = args[at + 1];
  if (value === undefined) throw new Error(`--${name} takes a value`);
  return value;
};
