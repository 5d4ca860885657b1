/**
 * Whether each object is one that an API server takes: its kind's schema (wrong types, missing fields), and a walk over the
 * API's own list of fields, for a schema is content with fields that it does not know and an API server drops them without a
 * word: `replicaz: 3` would deploy nothing that anybody wanted.
 */
import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import { isObject, type Json, type JsonObject, nameOf, type Resource } from './document.ts';

interface Attribute {
  readonly baseName: string;
  readonly type: string;
}
interface Model {
  getAttributeTypeMap(): readonly Attribute[];
}

/** Kinds of older clusters have the fields of today's, less those that came later. */
const OLDER: Readonly<Record<string, { readonly model: string; readonly later: readonly string[] }>> = {
  'policy/v1beta1 PodDisruptionBudget': {
    model: 'V1PodDisruptionBudget',
    later: ['unhealthyPodEvictionPolicy'],
  },
  'autoscaling/v2beta2 HorizontalPodAutoscaler': {
    model: 'V2HorizontalPodAutoscaler',
    later: ['containerResource', 'tolerance'],
  },
};

/** Fields that Kubernetes 1.20 does not know, by where we use them (lowest version in brackets). */
const AFTER_1_20: readonly string[] = [
  'sleep', // preStop (1.30)
  'matchLabelKeys', // spreading (1.27)
  'unhealthyPodEvictionPolicy', // 1.27
  'endPort', // network policies (1.22)
  'grpc', // probes (1.24)
  'hostUsers', // 1.25
  'podFailurePolicy', // 1.26
  'trafficDistribution', // 1.31
];

const text = { type: 'string', minLength: 1 } as const;
const labels = { type: 'object', additionalProperties: text } as const;
const strict = (properties: object, required: readonly string[]) =>
  ({ type: 'object', properties, required, additionalProperties: false }) as const;

/** Custom kinds have no list of fields in the client: these are the ones that we use. */
const CUSTOM: Readonly<Record<string, object>> = {
  'monitoring.coreos.com/v1 ServiceMonitor': strict(
    {
      jobLabel: text,
      selector: strict({ matchLabels: labels }, ['matchLabels']),
      endpoints: {
        type: 'array',
        minItems: 1,
        items: strict({ port: text, path: text, interval: text, scrapeTimeout: text }, ['port', 'path']),
      },
    },
    ['selector', 'endpoints'],
  ),
  'monitoring.coreos.com/v1 PrometheusRule': strict(
    {
      groups: {
        type: 'array',
        minItems: 1,
        items: strict(
          {
            name: text,
            interval: text,
            rules: {
              type: 'array',
              items: strict(
                { record: text, alert: text, expr: text, for: text, labels, annotations: labels },
                ['expr'],
              ),
            },
          },
          ['name', 'rules'],
        ),
      },
    },
    ['groups'],
  ),
};

const ajv = new Ajv({ allErrors: true });
const custom = new Map(Object.entries(CUSTOM).map(([kind, schema]) => [kind, ajv.compile(schema)]));

const idOf = (resource: Resource): string => `${resource.apiVersion} ${resource.kind}`;

/** Of the client we want its lists of fields, a file each, and not the client, which takes seconds to load. */
const MODELS = new URL(
  'gen/models/',
  `file://${createRequire(import.meta.url).resolve('@kubernetes/client-node')}`,
);
const models = new Map<string, Promise<readonly Attribute[] | null>>();

const attributesOf = (type: string): Promise<readonly Attribute[] | null> => {
  if (!/^[A-Z]\w+$/.test(type)) return Promise.resolve(null);
  const known = models.get(type);
  if (known !== undefined) return known;
  const read = import(new URL(`${type}.js`, MODELS).href).then(
    (module: Record<string, Model>) => module[type]!.getAttributeTypeMap(),
    () => null,
  );
  models.set(type, read);
  return read;
};

/** `apps/v1 Deployment` is V1Deployment. */
const modelOf = (resource: Resource): string => {
  const version = resource.apiVersion.split('/').at(-1)!;
  return (
    OLDER[idOf(resource)]?.model ?? `${version.charAt(0).toUpperCase()}${version.slice(1)}${resource.kind}`
  );
};

const elementOf = (type: string): string | null =>
  /^Array<(.+)>$/.exec(type)?.[1] ?? /^{ \[key: string\]: (.+); }$/.exec(type)?.[1] ?? null;

/** Fields that this type has not, by their paths. */
async function strangers(value: Json, type: string, path: string): Promise<string[]> {
  const element = elementOf(type);
  if (Array.isArray(value))
    return flat(value.map((one, i) => strangers(one, element ?? '', `${path}[${i}]`)));
  if (!isObject(value)) return [];
  if (element !== null)
    return flat(Object.entries(value).map(([key, one]) => strangers(one, element, `${path}.${key}`)));
  const attributes = await attributesOf(type);
  if (attributes === null) return [];
  return flat(
    Object.entries(value).map(async ([field, one]) => {
      const known = attributes.find(attribute => attribute.baseName === field);
      const here = path === '' ? field : `${path}.${field}`;
      return known === undefined ? [`there is no field ${here}`] : strangers(one, known.type, here);
    }),
  );
}

const flat = async (lists: Promise<string[]>[]): Promise<string[]> => (await Promise.all(lists)).flat();

const fieldsIn = (value: Json): string[] =>
  Array.isArray(value)
    ? value.flatMap(fieldsIn)
    : isObject(value)
      ? Object.entries(value).flatMap(([field, one]) => [field, ...fieldsIn(one)])
      : [];

/** The schema of a kind; null where nobody has one. */
async function schemaOf(resource: Resource): Promise<((data: JsonObject) => void) | null> {
  const [group, version] = resource.apiVersion.includes('/')
    ? (resource.apiVersion.split('/') as [string, string])
    : ['', resource.apiVersion];
  const owner =
    group === 'monitoring.coreos.com' ? '@kubernetes-models/prometheus-operator/' : 'kubernetes-models/';
  const place = `${owner}${group === '' ? '' : `${group}/`}${version}/${resource.kind}`;
  try {
    const module = (await import(place)) as Record<string, new (data: object) => { validate(): void }>;
    const Kind = module[resource.kind]!;
    return data => new Kind(data).validate();
  } catch (error) {
    if (/ERR_MODULE_NOT_FOUND|ERR_PACKAGE_PATH_NOT_EXPORTED/.test((error as { code?: string }).code ?? ''))
      return null;
    throw error;
  }
}

const looked = new WeakMap<Resource, Promise<string[]>>();

/** What an API server would refuse, or drop without a word. An object is looked at once. */
export function schemaMistakes(resource: Resource): Promise<string[]> {
  const known = looked.get(resource) ?? lookAt(resource);
  looked.set(resource, known);
  return known;
}

async function lookAt(resource: Resource): Promise<string[]> {
  const found: string[] = [];
  const schema = await schemaOf(resource);
  if (schema === null) return [`${nameOf(resource)}: there is no kind ${idOf(resource)}`];
  try {
    schema(resource);
  } catch (error) {
    found.push((error as Error).message.replaceAll('data/', ''));
  }
  const own = custom.get(idOf(resource));
  const model = modelOf(resource);
  if (own !== undefined) {
    own(resource.spec);
    for (const { instancePath, message, params } of own.errors ?? []) {
      const extra = (params as { additionalProperty?: string }).additionalProperty;
      found.push(`spec${instancePath.replaceAll('/', '.')} ${message ?? ''}${extra ? `: ${extra}` : ''}`);
    }
  } else if ((await attributesOf(model)) === null) found.push(`nobody knows the fields of ${model}`);
  else found.push(...(await strangers(resource, model, '')));
  const fields = new Set(fieldsIn(resource));
  for (const later of OLDER[idOf(resource)]?.later ?? [])
    if (fields.has(later)) found.push(`${resource.apiVersion} has no ${later} yet`);
  return found.map(sentence => `${nameOf(resource)}: ${sentence}`);
}

/** What a cluster of 1.20 does not know. */
export const tooNewFor120 = (resource: Resource): string[] => {
  const fields = new Set(fieldsIn(resource));
  return AFTER_1_20.filter(field => fields.has(field)).map(
    field => `${nameOf(resource)}: Kubernetes 1.20 has no ${field}`,
  );
};
