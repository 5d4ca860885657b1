/**
 * What looks like a secret in a text, by the shapes that their makers give them (ASVS 5.0: 13.3.1). Nothing of the kind lies in the
 * repository: tests make their keys, towns their own.
 */

const SHAPES: Readonly<Record<string, RegExp>> = {
  'a private key': /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/=]{16}/,
  'a private JWK': /"d"\s*:\s*"[\w-]{43,}"/,
  'a key of AWS': /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/,
  'a seed of NATS': /\bS[AUONCX][A-Z2-7]{56}\b/,
  'a token of GitHub': /\b(?:gh[pousr]_\w{36}|github_pat_\w{40})/,
  'a token of npm': /\bnpm_[A-Za-z0-9]{36}\b/,
  'a token of Slack': /\bxox[abprs]-[\w-]{10}/,
  'a key of Google': /\bAIza[\w-]{35}\b/,
  'a key of Stripe': /\b[rs]k_live_\w{16}/,
  'a token of ours': /\beyJ[\w-]{10,}\.eyJ[\w-]{30,}\.[\w-]{80,}/,
};

/** What it is, for each shape that is found. */
export const secretsIn = (text: string): string[] =>
  Object.entries(SHAPES).flatMap(([what, shape]) => (shape.test(text) ? [what] : []));
