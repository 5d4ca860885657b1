/**
 * `npx node k8s/devSecrets.ts | kubectl apply -f -`: the namespace and the secrets of a town for development, all fresh, for
 * nothing of the kind lies in a repository. Written once for a town: with other keys its people sign in again.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { keyFileOf, loadKeys } from '../infra/keys.ts';
import { NATS_USER, POSTGRES_USER } from './devServers.ts';

const HELP = `npx node k8s/devSecrets.ts [--namespace heyblue]

  prints, as YAML for kubectl, a namespace and in it the secrets heyblue-keys, heyblue-secrets and heyblue-servers of
  k8s/overlays/dev and compat-1.20, with fresh keys and passwords`;

/** Keys as a first start makes them. */
const freshKeys = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-keys-'));
  try {
    loadKeys(folder);
    return readFileSync(keyFileOf(folder), 'utf8');
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** The objects, in the order in which they are to be made. */
const devSecrets = (namespace: string): object[] => {
  const password = randomBytes(24).toString('base64url');
  const host = 'heyblue-servers';
  const secret = (name: string, stringData: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'Opaque',
    stringData,
  });
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    secret('heyblue-keys', { 'keys.json': freshKeys() }),
    secret('heyblue-secrets', {
      DATABASE_URL: `postgres://${POSTGRES_USER}:${password}@${host}:5432/heyblue`,
      NATS_URL: `nats://${NATS_USER}:${password}@${host}:4222`,
      AWS_ACCESS_KEY_ID: 'heyblue',
      AWS_SECRET_ACCESS_KEY: 'heyblue',
    }),
    secret('heyblue-servers', { password }),
  ];
};

const wish = (): { namespace: string } | string => {
  try {
    const { values } = parseArgs({
      options: { namespace: { type: 'string', default: 'heyblue' }, help: { type: 'boolean' } },
    });
    if (values.help) return HELP;
    return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(values.namespace)
      ? values
      : `"${values.namespace}" cannot be the name of a namespace.`;
  } catch (error) {
    return `${(error as Error).message}\n\n${HELP}`;
  }
};

if (import.meta.main) {
  const asked = wish();
  if (typeof asked === 'string') {
    console.error(asked);
    process.exitCode = asked === HELP ? 0 : 2;
  } else {
    // whoever reads may have read enough
    process.stdout.on('error', () => {});
    process.stdout.write(
      devSecrets(asked.namespace)
        .map(one => `---\n${stringify(one)}`)
        .join(''),
    );
  }
}
