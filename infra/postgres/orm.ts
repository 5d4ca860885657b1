/** The entity manager's own small pool, for the ordinary paths only. */
import { defineConfig, MikroORM } from '@mikro-orm/postgresql';
import type { Log } from '../../nodes/ports.ts';
import { ENTITIES } from './entities.ts';
import {
  CONNECT_MS_MAX,
  ORM_CONNECTIONS_MAX,
  QUERY_SILENCE_MS_MAX,
  QUERY_STATEMENT_MS_MAX,
} from './limits.ts';
import { livePassword, tlsOf } from './liveUrl.ts';

export function openOrm(url: string, log: Log): Promise<MikroORM> {
  return MikroORM.init(
    defineConfig({
      clientUrl: url,
      // asked whenever the pool opens a connection
      password: () => livePassword(url),
      entities: ENTITIES,
      pool: { min: 0, max: ORM_CONNECTIONS_MAX },
      driverOptions: {
        connectionTimeoutMillis: CONNECT_MS_MAX,
        statement_timeout: QUERY_STATEMENT_MS_MAX,
        query_timeout: QUERY_SILENCE_MS_MAX,
        application_name: 'heyblue directory',
        ssl: tlsOf(url),
      },
      logger: message => log.debug({}, message),
      colors: false,
    }),
  );
}
