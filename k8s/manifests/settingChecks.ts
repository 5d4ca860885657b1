/**
 * Whether the settings that an overlay gives are settings, fit together, and fit to what the pod is: a node would refuse them
 * at its start, and a rolling update would stand still at its first pod.
 */
import type { V1Container, V1Deployment } from '@kubernetes/client-node';
import { readConfig } from '../../infra/config/index.ts';
import { SETTINGS, type Setting } from '../../infra/config/settings.ts';
import { NODE, type Overlay } from './overlay.ts';

const AUTHORITY = '?sslmode=verify-full&sslrootcert=/run/secrets/heyblue/database-ca.crt';
/** Values of secrets as they may look (k8s/README.md), to try the whole with. */
const EXAMPLES: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgres://owner:secret@database:5432/heyblue',
  DATABASE_APP_URL: `postgres://app:secret@database:5432/heyblue${AUTHORITY}`,
  DATABASE_AUDIT_URL: `postgres://audit:secret@database:5432/heyblue${AUTHORITY}`,
  NATS_URL: 'tls://heyblue:secret@nats:4222',
  AWS_ACCESS_KEY_ID: 'heyblue',
  AWS_SECRET_ACCESS_KEY: 'heyblue',
};

/** Whatever a node would bring itself, and must not where there are several. */
const NEEDED = ['DYNAMODB_ENDPOINT', 'KINESIS_ENDPOINT', 'NATS_URL'];
/** What people depend on: only there the owner of the tables is kept from the nodes. */
const RELEASED = ['staging', 'prod'];

/** Names in the environment that are no settings of ours. */
const OTHERS = ['NODE_OPTIONS'];

const PORTS = { HEYBLUE_REST_PORT: 'rest', HEYBLUE_REALTIME_PORT: 'realtime', HEYBLUE_PROBE_PORT: 'probe' };

/** More leaves too little for sockets and threads, which are outside of the heap. */
const HEAP_PERCENT_MAX = 75;
const NO_DIGEST = /@sha256:0{64}$/;

/** Settings that an overlay gives, in whatever way. */
export const given = (overlay: Overlay): string[] => [
  ...Object.keys(overlay.settings),
  ...overlay.secretFiles.map(one => one.key).filter(key => key in SETTINGS),
  ...(overlay.node?.container.env ?? []).map(one => one.name).filter(name => name in SETTINGS),
];

const nameMistakes = (overlay: Overlay): string[] => {
  const env = overlay.node?.container.env ?? [];
  const names = [...Object.keys(overlay.settings), ...env.map(one => one.name)];
  const secret = (name: string): boolean =>
    (SETTINGS as Record<string, Setting<unknown>>)[name]?.secret === true;
  const all = given(overlay);
  return [
    ...names
      .filter(name => !(name in SETTINGS) && !OTHERS.includes(name))
      .map(name => `there is no setting ${name}`),
    ...names.filter(secret).map(name => `${name} may hold a secret and is no file of one`),
    ...[...new Set(all.filter((name, i) => all.indexOf(name) !== i))].map(name => `${name} is given twice`),
    ...NEEDED.filter(name => !all.includes(name)).map(name => `${name} is not given`),
  ];
};

/** Under one name for ever, a roll-back of the pods would find the settings of the release that it takes back. */
const sourceMistakes = (overlay: Overlay): string[] => {
  const name = overlay.settingsName ?? 'nothing';
  if (overlay.find('ConfigMap', name) === undefined)
    return [`settings come from ${name}, which is no ConfigMap`];
  return /-[a-z0-9]{10}$/.test(name) ? [] : [`ConfigMap ${name} is not called after what stands in it`];
};

/** What a node would say at its start. */
const refusal = (overlay: Overlay): string[] => {
  const env: Record<string, string> = { ...overlay.settings };
  for (const { key } of overlay.secretFiles) if (key in SETTINGS) env[key] = EXAMPLES[key] ?? '';
  delete env.HEYBLUE_SECRETS_DIR;
  const read = readConfig(env);
  return read.ok ? [] : [`a node would not start: ${read.sentence}`];
};

const portMistakes = (overlay: Overlay): string[] =>
  Object.entries(PORTS).flatMap(([setting, name]) => {
    const port = overlay.node?.container.ports?.find(one => one.name === name)?.containerPort;
    const told = Number(overlay.settings[setting] ?? SETTINGS[setting as keyof typeof SETTINGS].default);
    return port === told
      ? []
      : [`${setting} is ${told}, and the port ${name} of the container ${port ?? 'is missing'}`];
  });

const fileMistakes = (overlay: Overlay): string[] => {
  const { settings, secretFiles, node } = overlay;
  const secrets = settings.HEYBLUE_SECRETS_DIR ?? '';
  const data = settings.HEYBLUE_DATA_DIR ?? SETTINGS.HEYBLUE_DATA_DIR.default;
  const paths = secretFiles.map(one => one.path);
  const values = Object.values(settings);
  const writable = node?.container.volumeMounts?.some(one => one.mountPath === data && !one.readOnly);
  return [
    ...Object.entries(settings)
      .filter(
        ([name, text]) =>
          name !== 'HEYBLUE_SECRETS_DIR' && text.startsWith('/run/secrets/') && !paths.includes(text),
      )
      .map(([name, text]) => `${name} names ${text}, which no secret brings`),
    ...secretFiles
      .filter(({ path, key }) => {
        const setting = key in SETTINGS && path === `${secrets}/${key}`;
        const isInUrl = secretFiles.some(one => EXAMPLES[one.key]?.endsWith(`=${path}`));
        return !setting && !isInUrl && !values.includes(path) && path !== `${data}/keys/keys.json`;
      })
      .map(({ path }) => `nobody reads ${path}`),
    ...(paths.includes(`${data}/keys/keys.json`)
      ? []
      : ['each node would make keys of its own (keys/keys.json)']),
    ...(writable ? [] : [`a node may not write in ${data}`]),
  ];
};

const optionMistakes = (overlay: Overlay): string[] => {
  const options = overlay.node?.container.env?.find(one => one.name === 'NODE_OPTIONS')?.value ?? '';
  const percent = Number(/--max-old-space-size-percentage=(\d+)/.exec(options)?.[1] ?? 100);
  return percent <= HEAP_PERCENT_MAX ? [] : [`the heap may take ${percent} % of the memory (NODE_OPTIONS)`];
};

const containersOf = ({ spec }: V1Deployment): V1Container[] => {
  const { initContainers = [], containers } = spec!.template.spec!;
  return [...initContainers, ...containers];
};

/** Who migrates, and who only serves. */
const ownerMistakes = (overlay: Overlay): string[] => {
  const before = overlay.secretFilesBefore.map(one => one.key);
  const holds = overlay.secretFiles.some(one => one.key === 'DATABASE_URL');
  if (!RELEASED.includes(overlay.name)) return holds ? [] : ['DATABASE_URL is not given'];
  return [
    ...(holds ? ['a node holds the URL of the owner of the tables (DATABASE_URL)'] : []),
    ...(given(overlay).includes('DATABASE_APP_URL') ? [] : ['DATABASE_APP_URL is not given']),
    ...['DATABASE_URL', 'DATABASE_APP_URL', 'DATABASE_AUDIT_URL']
      .filter(key => !before.includes(key))
      .map(key => `nobody migrates: ${key} is given to nothing that runs before a node`),
  ];
};

/** Development may say `dev`; what people depend on is one image and no other. */
const imageMistakes = (overlay: Overlay, release: boolean): string[] =>
  overlay.all('Deployment').flatMap(one =>
    containersOf(one).flatMap(({ name, image = '' }) => {
      const dev = !RELEASED.includes(overlay.name);
      const wrong = dev
        ? !/:[\w][\w.-]*$/.test(image) || image.endsWith(':latest')
        : !/@sha256:[0-9a-f]{64}$/.test(image);
      return [
        ...(wrong ? [`container ${name} runs ${image}: name it by ${dev ? 'a tag' : 'its digest'}`] : []),
        ...(release && NO_DIGEST.test(image)
          ? [`container ${name} runs no image yet: put in the digest of the release`]
          : []),
      ];
    }),
  );

/** Sentences about the settings of the nodes. */
export const settingMistakes = (overlay: Overlay, release = false): string[] =>
  overlay.node === undefined
    ? [`there is no Deployment ${NODE.deployment} with a container ${NODE.container}`]
    : [
        ...nameMistakes(overlay),
        ...sourceMistakes(overlay),
        ...refusal(overlay),
        ...portMistakes(overlay),
        ...fileMistakes(overlay),
        ...optionMistakes(overlay),
        ...ownerMistakes(overlay),
        ...imageMistakes(overlay, release),
      ];
