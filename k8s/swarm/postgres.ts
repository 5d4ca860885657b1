/** A connection to PostgreSQL for as long as some work takes. */
import { Client } from 'pg';

/** @param name what PostgreSQL shows of the connection, so that those who end connections can tell it from others */
export const withClient = async <T>(
  url: string,
  work: (client: Client) => Promise<T>,
  name?: string,
): Promise<T> => {
  const client = new Client({ connectionString: url, ...(name && { application_name: name }) });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
};
