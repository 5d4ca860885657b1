/** The catalogue for people: EVENTS.md, and nothing that does not stand in the schemas. */
import type { JsonSchema } from './additive.ts';
import { CATALOGUE, EVENT_TYPES, type EventType, STREAMS } from './catalogue.ts';
import { goldenOf } from './golden.ts';
import { UNTOLD } from './untold.ts';

const typeOf = (schema: JsonSchema): string => {
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.enum) return schema.enum.map(word => `\`${word}\``).join(', ');
  if (schema.items) return `list of ${typeOf(schema.items)}`;
  return schema.type ?? 'anything';
};

const saidOf = (schema: JsonSchema): string => {
  const { description, anyOf } = schema as JsonSchema & { description?: string };
  return description ?? anyOf?.map(saidOf).find(text => text !== '') ?? '';
};

function rows(schema: JsonSchema, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
    const may = schema.required?.includes(name) ? '' : ' (may be absent)';
    const path = `${prefix}${name}`;
    const own = `| \`${path}\` | ${typeOf(one)}${may} | ${saidOf(one)} |`;
    return [own, ...rows(one, `${path}.`), ...(one.items ? rows(one.items, `${path}[].`) : [])];
  });
}

const TABLE = ['| field | type | what |', '|---|---|---|'];

const section = (types: readonly EventType[]): string[] => {
  const { data } = goldenOf(types[0]!).schema.properties!;
  const names = types.map(
    type => `- \`${type}\` (version ${CATALOGUE[type].version}): ${CATALOGUE[type].tells}`,
  );
  return [...names, '', ...TABLE, ...rows(data!), ''];
};

/** Types whose data have one schema stand together. */
function sections(stream: string): string[] {
  const byData = new Map<unknown, EventType[]>();
  for (const type of EVENT_TYPES) {
    if (CATALOGUE[type].stream !== stream) continue;
    const { data } = CATALOGUE[type];
    byData.set(data, [...(byData.get(data) ?? []), type]);
  }
  return [...byData.values()].flatMap(section);
}

export function renderEvents(): string {
  const { properties = {}, required = [] } = goldenOf('points.awarded').schema;
  const { data: _, ...head } = properties;
  return [
    '# Events',
    '',
    'Written by `npx node infra/events/generate.ts` from `catalogue.ts`; an example and the JSON Schema of each stand in `generated/`.',
    'A version only grows: fields and words of enumerations come, none goes or changes its type. Take no offence at what you',
    'do not know. Events arrive at least once: know a repeat by its `id`. Those of one `subject` arrive in order; what arrives',
    'again late has a `stamp.seq` that is not above what was seen of the subject.',
    '',
    '## Around every event',
    '',
    ...TABLE,
    ...rows({ properties: head, required }),
    '',
    ...Object.values(STREAMS).flatMap(stream => [`## Stream \`${stream}\``, '', ...sections(stream)]),
    '## Not told',
    '',
    ...UNTOLD.map(({ types, because }) => `- ${types.map(type => `\`${type}\``).join(', ')}: ${because}`),
    '',
  ].join('\n');
}
