import { expect, test } from 'vitest';
import { countedAs, peerAddress } from './peer.ts';

test.each([
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['0000:0000:0000:0000:0000:ffff:0a01:0203', '10.1.2.3'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002:ffff::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['unknown', null],
  ['999.1.1.1', null],
  ['', null],
])('%s is counted as %s', (text, name) => {
  expect(countedAs(text)).toBe(name);
});

test.each([
  ['nobody is trusted: the header is not read', 0, '1.1.1.1', '9.9.9.9'],
  ['one hop: its own entry', 1, '6.6.6.6, 1.1.1.1', '1.1.1.1'],
  ['two hops: what the outer one saw', 2, '6.6.6.6, 1.1.1.1, 10.0.0.1', '1.1.1.1'],
  ['invented entries change nothing', 2, '6.6.6.6, 7.7.7.7, 8.8.8.8, 1.1.1.1, 10.0.0.1', '1.1.1.1'],
  ['fewer entries than hops: somebody went around the proxy', 2, '6.6.6.6', '9.9.9.9'],
  ['no header', 1, '', '9.9.9.9'],
  ['not an address', 1, 'me; drop table', '9.9.9.9'],
  ['a port is left away', 1, '1.1.1.1:443', '1.1.1.1'],
  ['also behind brackets', 1, '[2001:db8::7]:443', '2001:db8:0:0::/64'],
])('%s', (_what, hops, header, name) => {
  expect(peerAddress('9.9.9.9', header, hops)).toBe(name);
});
