import { expect, inject, test } from 'vitest';
import { testStream } from '../../infra/streams/testStreams.ts';
import { records } from './written.ts';

test('finds what was written to each of more streams than one answer names', async () => {
  const streams = await Promise.all(Array.from({ length: 12 }, () => testStream(1)));
  try {
    await Promise.all(streams.map(stream => stream.put(`in ${stream.name}`)));
    const found = await records({ endpoint: inject('kinesisEndpoint'), env: inject('awsEnv') });
    const texts = new Set(found.map(one => Buffer.from(one.written).toString()));
    const missing = streams.filter(stream => !texts.has(`in ${stream.name}`));
    expect(missing.map(stream => stream.name)).toEqual([]);
  } finally {
    await Promise.all(streams.map(stream => stream.close()));
  }
});
