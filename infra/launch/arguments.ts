/** What may follow `npm start --`: nothing but a question. Everything else is a setting in the environment. */

export type Wish = { kind: 'start' } | { kind: 'help' } | { kind: 'wrong'; sentence: string };

export function readArguments(given: readonly string[]): Wish {
  const [first] = given;
  if (first === undefined) return { kind: 'start' };
  if (given.length === 1 && (first === '--help' || first === '-h')) return { kind: 'help' };
  const unknown = given.find(word => word !== '--help' && word !== '-h') ?? first;
  return {
    kind: 'wrong',
    sentence: `npm start does not know "${unknown}": settings are environment variables, npm start -- --help lists them.`,
  };
}
