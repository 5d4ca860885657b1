/**
 * Every setting of the town, in one table.
 *
 * A row has the name in the environment, a type, a default and one sentence; help text, README table, type and parser all
 * come from it. To add a setting, add a row: `config.camelName` appears by itself.
 */

/** What a row says about its setting; `S` is what the program gets to see. */
export interface Setting<S> {
  default: string;
  sentence: string;
  /** Never printed, not even in the table of a wrong value. */
  secret?: boolean;
  /** What a right value looks like, for people. */
  expects: string;
  /** The value, or null when the text is not one. */
  parse(text: string): S | null;
}

interface Words {
  secret?: boolean;
}

const words = (fallback: string, sentence: string, extra: Words = {}): Setting<string> => ({
  default: fallback,
  sentence,
  expects: 'a text',
  parse: text => text,
  ...extra,
});

const whole = (
  fallback: number,
  bounds: readonly [min: number, max: number],
  sentence: string,
): Setting<number> => ({
  default: String(fallback),
  sentence,
  expects: `a whole number from ${bounds[0]} to ${bounds[1]}`,
  parse: text => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= bounds[0] && value <= bounds[1] ? value : null;
  },
});

const decimal = (
  fallback: number,
  bounds: readonly [min: number, max: number],
  sentence: string,
): Setting<number> => ({
  default: String(fallback),
  sentence,
  expects: `a number from ${bounds[0]} to ${bounds[1]}`,
  parse: text => {
    const value = Number(text);
    return /^\d+(\.\d+)?$/.test(text) && value >= bounds[0] && value <= bounds[1] ? value : null;
  },
});

const port = (fallback: number, sentence: string): Setting<number> => whole(fallback, [0, 65_535], sentence);

const choice = <const C extends string>(
  fallback: NoInfer<C>,
  choices: readonly C[],
  sentence: string,
): Setting<C> => ({
  default: fallback,
  sentence,
  expects: choices.join(', '),
  parse: text => choices.find(one => one === text) ?? null,
});

/** A URL of one of these schemes; empty stays empty. */
const url = (schemes: readonly string[], sentence: string, extra: Words = {}): Setting<string> => ({
  default: '',
  sentence,
  expects: `a URL (${schemes.map(scheme => `${scheme}://`).join(' or ')}...)`,
  parse: text => {
    if (text === '') return '';
    return URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)) ? text : null;
  },
  ...extra,
});

/** Addresses of NATS servers as their client takes them; empty stays empty. */
const natsServers = (sentence: string): Setting<string> => ({
  default: '',
  sentence,
  expects: 'addresses like nats://host:4222 or tls://host:4222, separated by commas',
  // may hold a password
  secret: true,
  parse: text => {
    const list = text.split(',').map(one => one.trim());
    const right = list.every(
      one => URL.canParse(one) && /^(nats|tls):$/.test(new URL(one).protocol) && new URL(one).hostname !== '',
    );
    return text === '' || right ? list.join(',') : null;
  },
});

/** Names that stand in subjects and keys; empty stays empty. */
const token = (fallback: string, sentence: string): Setting<string> => ({
  default: fallback,
  sentence,
  expects: 'up to 63 letters, digits, - and _',
  parse: text => (/^[A-Za-z0-9_-]{0,63}$/.test(text) ? text : null),
});

/** Names of resources at Amazon Location. */
const resource = (fallback: string, sentence: string): Setting<string> => ({
  default: fallback,
  sentence,
  expects: '1 to 100 letters, digits, -, . and _',
  parse: text => (/^[-._A-Za-z0-9]{1,100}$/.test(text) ? text : null),
});

/** Names of buckets, without dots; empty stays empty. */
const bucket = (sentence: string): Setting<string> => ({
  default: '',
  sentence,
  expects: '3 to 63 small letters, digits and -',
  parse: text => (text === '' || /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(text) ? text : null),
});

/** Origins as browsers send them, without path. */
const origins = (fallback: string, sentence: string): Setting<string[]> => ({
  default: fallback,
  sentence,
  expects: '*, loopback or origins like https://heyblue.example, separated by commas',
  parse: text => {
    const list = text
      .split(',')
      .map(one => one.trim())
      .filter(one => one !== '');
    const isOrigin = (one: string) => URL.canParse(one) && new URL(one).origin === one;
    const right = list.every(one => one === '*' || one === 'loopback' || isOrigin(one));
    return right ? list : null;
  },
});

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The level of everything, and the levels of single folders. */
export interface LogLevels {
  all: LogLevel;
  folders: Record<string, LogLevel>;
}

const logLevels = (fallback: string, sentence: string): Setting<LogLevels> => ({
  default: fallback,
  sentence,
  expects: `one of ${LOG_LEVELS.join(', ')}, then folder=level pairs, separated by commas`,
  parse: text => {
    const levels: LogLevels = { all: 'info', folders: {} };
    for (const part of text.split(',')) {
      const [left = '', right] = part.split('=').map(word => word.trim());
      const level = LOG_LEVELS.find(one => one === (right ?? left));
      if (level === undefined) return null;
      if (right === undefined) levels.all = level;
      else if (!/^[a-z0-9]+$/.test(left)) return null;
      else levels.folders[left] = level;
    }
    return levels;
  },
});

const DAY_S = 86_400;

/** The table. Names with a unit end in it: _M metres, _S seconds, _MINUTES, _H hours. */
export const SETTINGS = {
  HEYBLUE_DATA_DIR: words('.data', 'Folder of the embedded servers, made when missing.'),
  HEYBLUE_HOST: words('0.0.0.0', 'Address on which REST and realtime listen.'),
  HEYBLUE_REST_PORT: port(8080, 'Port of REST and its documents; 0 takes any free one.'),
  HEYBLUE_REALTIME_PORT: port(8081, 'Port of the WebSocket `/v1/ws`; 0 takes any free one.'),
  HEYBLUE_ADMIN_PORT: port(
    9090,
    'Port of `/livez /readyz /startupz /metrics /admin`, always on 127.0.0.1; 0 takes any free one.',
  ),
  HEYBLUE_PROBE_PORT: port(
    0,
    'Port of `/livez /readyz /startupz /metrics` and nothing else on `HEYBLUE_HOST`, for whoever looks after the node from outside; 0: none.',
  ),
  HEYBLUE_SECRETS_DIR: words(
    '',
    'Folder with settings as files, one named like each (`DATABASE_URL`), as Kubernetes and Vault give secrets; empty: none.',
  ),
  HEYBLUE_NODE_ID: token('', 'Name of this node, its own among all nodes; empty takes the host name.'),
  HEYBLUE_NODE_WEIGHT: decimal(
    1,
    [0.1, 100],
    'Share of the users that this node takes, beside the weights of the others: its cores, for example.',
  ),
  HEYBLUE_CLUSTER: token('heyblue', 'Name of the cluster; several may use the same NATS.'),
  HEYBLUE_PUBLIC_URL: url(
    ['ws', 'wss'],
    'Realtime address of this node as phones reach it, told to phones of a node that stops; empty tells none.',
  ),
  HEYBLUE_VERSION: words(
    '',
    'Version of this node; users of a node that is gone go to the newest. Empty takes the one of package.json.',
  ),
  HEYBLUE_LOG_LEVEL: logLevels('info', 'What is logged, with exceptions by folder: `info,gateway=debug`.'),
  HEYBLUE_LOG_FORMAT: choice(
    'auto',
    ['auto', 'json', 'pretty'],
    'JSON lines, or pretty for people; auto is pretty on a terminal.',
  ),
  HEYBLUE_ENTER_RADIUS_M: decimal(
    25,
    [1, 500],
    'Metres within which two phones begin to be together. In the first rules of a new town; later it is published as a rule.',
  ),
  HEYBLUE_EXIT_RADIUS_M: decimal(
    50,
    [1, 1_000],
    'Metres beyond which they no longer are; more than the entering ones. In the first rules, too.',
  ),
  HEYBLUE_DWELL_S: decimal(
    60,
    [0, 3_600],
    'Seconds they must stay together for an instant match. In the first rules, too.',
  ),
  HEYBLUE_DWELL_FIXES: whole(3, [1, 100], 'Positions each must send meanwhile.'),
  HEYBLUE_HOT_REGIONS: choice(
    'off',
    ['off', 'on'],
    'Whether regions that are too hot for one actor are divided, and made one again; the same on all nodes.',
  ),
  HEYBLUE_HOT_REGION_PEOPLE: whole(
    50_000,
    [1, 4_000_000],
    'People above whom a region is hot, however little work they make; one below a quarter of it is cool.',
  ),
  HEYBLUE_HOT_REGION_WINDOW_S: decimal(
    30,
    [0.5, 3_600],
    'Seconds over which the load of a region is judged: divided after two, one again after twenty cool ones.',
  ),
  HEYBLUE_AREA_PEOPLE: whole(
    3,
    [1, 1_000],
    'People who share in an area before civilians there are told which officers do. Less than 3 only in towns of tests.',
  ),
  HEYBLUE_AREA_DELAY_MIN_S: decimal(
    30,
    [0, 3_600],
    'Seconds after which civilians are told of a change among these officers, at the least. Less only in towns of tests.',
  ),
  HEYBLUE_AREA_DELAY_MAX_S: decimal(120, [0, 3_600], 'The same, at the most; each change draws its own.'),
  HEYBLUE_SHARE_MINUTES: decimal(
    15,
    [0.01, 1_440],
    'Minutes after which an officer stops sharing without being asked. In the first rules of a new town.',
  ),
  HEYBLUE_QR_CONFIRM: choice(
    'off',
    ['off', 'unvouched'],
    'Whether an officer confirms a scan of his code that no two fresh positions vouch for.',
  ),
  HEYBLUE_HISTORY_REVIEW: choice(
    'on',
    ['on', 'off'],
    'Whether a meeting waits for an operator because of earlier ones: farmed pairs, busy officers, one officer only, unvouched codes.',
  ),
  HEYBLUE_COOLDOWN_H: decimal(
    24,
    [0, 8_760],
    'Hours before the same two can meet for points again. In the first rules of a new town.',
  ),
  HEYBLUE_SCAN_SETTLE_H: decimal(
    72,
    [0.001, 8_760],
    'Hours for which an uploaded scan waits for the phone that showed the code; then it is settled.',
  ),
  HEYBLUE_REDEEM_S: whole(
    600,
    [2, 86_400],
    'Seconds for which points and stock are set aside for a redemption, until its till confirms it.',
  ),
  HEYBLUE_POINTS_EXPIRE_DAYS: whole(
    0,
    [0, 3_650],
    'Whole days after which points expire that a civilian or an officer has not spent, oldest first; 0: they never do. The same on all nodes.',
  ),
  HEYBLUE_POINTS_ACTIVATE_AFTER_H: decimal(
    0,
    [0, 8_760],
    'Hours after which points may be spent that meetings and promotions gave; 0: at once. The same on all nodes.',
  ),
  HEYBLUE_ACCESS_TOKEN_TTL_S: whole(900, [1, DAY_S], 'Seconds an access token is valid.'),
  HEYBLUE_SERVICE_ACCOUNTS: words(
    '',
    'File with the accounts of machines that may use the scoring doors, written by `npm run service-account`; empty: there are none.',
  ),
  HEYBLUE_ID_VALIDATOR_URL: url(
    ['http', 'https'],
    "Service that checks an officer's badge; empty uses the roster made by the first start.",
  ),
  HEYBLUE_ROSTER_SIZE: whole(100, [0, 100_000], 'Badge numbers that the first start makes.'),
  HEYBLUE_LOCATION_RATE: whole(2, [1, 1_000_000], 'Positions per second that one socket may send.'),
  HEYBLUE_CLOCK_RATE: decimal(1, [0.01, 1_000], "How fast the town's clock runs; for replays."),
  HEYBLUE_ALLOWED_ORIGINS: origins(
    'loopback',
    "Web origins that may call; `loopback` allows pages of the browser's own machine, `*` every one. Apps that are no pages are always allowed.",
  ),
  HEYBLUE_CONNECTIONS_PER_ADDRESS: whole(
    200,
    [1, 1_000_000],
    'Sockets that one network address may hold; what else one address may do follows from it (gateway/README.md).',
  ),
  HEYBLUE_HANDSHAKE_RATE: whole(
    1_000,
    [1, 1_000_000],
    'Handshakes per second that one node takes; more are answered 503 and told when to come back.',
  ),
  HEYBLUE_TRUSTED_PROXY_HOPS: whole(0, [0, 10], 'Proxies in front whose `X-Forwarded-For` is believed.'),
  HEYBLUE_AUDIT_MINUTES: whole(
    60,
    [0, 10_080],
    'Minutes between two audits by one node of the cluster; 0: none (`npm run audit` is always possible).',
  ),
  TLS_CERT: words(
    '',
    'File with the certificate of the doors and its chain (PEM): REST and realtime speak TLS 1.3; read again when it changes. Empty: plain, behind a proxy.',
  ),
  TLS_KEY: words('', 'File with the key of `TLS_CERT` (PEM, no password).'),
  HEYBLUE_ADMIN_GC: whole(
    0,
    [0, 1],
    '1 lets `POST /debug/gc` of the admin port collect garbage, for memory benchmarks.',
  ),
  DATABASE_URL: url(
    ['postgres', 'postgresql'],
    'PostgreSQL 18, as the role that owns the tables, which migrates it. Empty: `npm start` brings its own; a node with `DATABASE_APP_URL` waits for `npm run migrate`.',
    { secret: true },
  ),
  DATABASE_APP_URL: url(
    ['postgres', 'postgresql'],
    'The same database, as the role that serves; empty lets the owner make it.',
    { secret: true },
  ),
  DATABASE_AUDIT_URL: url(
    ['postgres', 'postgresql'],
    'The same database, as a role that may only read, for the auditor; empty lets the owner make it.',
    { secret: true },
  ),
  DYNAMODB_ENDPOINT: url(['http', 'https'], 'DynamoDB; empty starts the embedded one.'),
  KINESIS_ENDPOINT: url(['http', 'https'], 'Kinesis; empty starts the embedded one.'),
  HEYBLUE_ARCHIVE: choice('on', ['on', 'off'], 'Whether this node archives the streams.'),
  HEYBLUE_ARCHIVE_DIR: words(
    '',
    'Folder of the archive, made when missing; empty takes `archive` in the data folder.',
  ),
  HEYBLUE_ARCHIVE_FLUSH_S: whole(
    300,
    [1, DAY_S],
    'Seconds after which what was read of a stream is archived, however little it is.',
  ),
  HEYBLUE_ARCHIVE_FLUSH_MB: whole(
    32,
    [1, 512],
    'Megabytes of events of one shard that are archived at once; so much of each is held in memory.',
  ),
  S3_BUCKET: bucket('Bucket of the archive, at S3 or any store that speaks its protocol; empty: the folder.'),
  S3_ENDPOINT: url(
    ['http', 'https'],
    'Where that store is; empty takes the public S3 of `AWS_REGION`. Needs `S3_BUCKET`.',
  ),
  LOCATION_PROVIDER: choice(
    'memory',
    ['memory', 'amazon'],
    'Who keeps sampled positions and static circles: memory and the DynamoDB table `tracking`, or Amazon Location.',
  ),
  LOCATION_ENDPOINT: url(
    ['http', 'https'],
    'Amazon Location; empty takes the public one of `AWS_REGION`. Needs `LOCATION_PROVIDER=amazon`.',
  ),
  LOCATION_TRACKER: resource('heyblue', 'Tracker at Amazon Location, made when missing.'),
  LOCATION_COLLECTION: resource(
    'heyblue-places',
    'Geofence collection at Amazon Location, made when missing.',
  ),
  LOCATION_REQUESTS_PER_S: whole(
    50,
    [1, 10_000],
    'Requests per second that one node sends to each operation of Amazon Location: the quota of the account, shared by its nodes.',
  ),
  LOCATION_HISTORY_H: whole(
    72,
    [1, 720],
    'Hours for which sampled positions can be read; what memory keeps expires then, Amazon Location keeps 30 days.',
  ),
  NATS_URL: natsServers(
    'NATS with JetStream that joins nodes; empty: one node alone, or the own server of `--nodes`.',
  ),
  NATS_CREDS: words('', 'Credentials file for NATS.'),
  NATS_CA: words('', 'File with the certificates that NATS is checked by, instead of the usual ones.'),
  NATS_CERT: words('', 'File with the certificate that we show to NATS; needs `NATS_KEY`.'),
  NATS_KEY: words('', 'File with the key of `NATS_CERT`.'),
  NATS_REPLICAS: whole(
    1,
    [1, 5],
    'Copies of the leases in NATS: 1 with one server, 3 with a cluster of them.',
  ),
  NATS_SERVER_BIN: words('', 'The nats-server that `--nodes` starts; empty looks for one.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(
    ['http', 'https'],
    'OpenTelemetry collector that spans go to (OTLP over HTTP, port 4318 as a rule); empty sends none.',
  ),
  AWS_REGION: words('us-east-1', 'Region of DynamoDB, Kinesis, S3 and Amazon Location.'),
  AWS_ACCESS_KEY_ID: words('', 'Who we are there.', { secret: true }),
  AWS_SECRET_ACCESS_KEY: words('', 'How we prove it.', { secret: true }),
} satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
