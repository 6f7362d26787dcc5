// Which addresses anybody on the internet has, and which are of this machine, its network or nobody. What people have the server
// call must not reach the latter.

import { BlockList, isIP } from 'node:net'

/** IANA's registries of special-purpose addresses; multicast as well. */
const special4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/** Beside these nothing but 2000::/3 is given to anybody. Forms that hold an IPv4 address lead anywhere, so none of them is public. */
const special6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const blocked = new BlockList()
const global6 = new BlockList()
for (const [ranges, family] of [
  [special4, 'ipv4'],
  [special6, 'ipv6'],
] as const)
  for (const range of ranges) {
    const [network = '', bits] = range.split('/')
    blocked.addSubnet(network, Number(bits), family)
  }
global6.addSubnet('2000::', 3, 'ipv6')

/** False as well for what is no address. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !blocked.check(address, 'ipv4')
    case 6: {
      const [bare = ''] = address.split('%')
      return global6.check(bare, 'ipv6') && !blocked.check(bare, 'ipv6')
    }
    default:
      return false
  }
}
