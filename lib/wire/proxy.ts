/**
 * The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt): a first line, or block, in which a proxy says
 * on whose behalf it connects. It is believed only of peers that the configuration names, and of these it is
 * demanded: a server that guessed could be lied to by anybody.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { plainAddress } from '../sys/sockets.js'
import { type Connection, PeerGone } from './line.js'

/** Longest version 1 header, its CRLF included (§2.1). */
const longestLine = 107
/** What a version 2 header begins with (§2.2). */
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** A version 2 header may carry more than the addresses (TLVs); this is room for all that are defined. */
const longestBlock = 4096
/** A proxy sends its header at once, in milliseconds. */
const patience = 10_000

export interface Peer {
  readonly address: string
  readonly port: number
}

/**
 * Reads the header that a connection from a proxy begins with.
 *
 * @returns the peer the proxy speaks for; undefined when it speaks for itself (a health check) or for somebody whose
 *   address it does not know
 * @throws PeerGone for anything that is not a PROXY header
 */
export async function readProxyHeader(connection: Connection): Promise<Peer | undefined> {
  connection.limitTo(patience)
  const peer = await readHeader(connection)
  connection.limitTo(undefined)
  return peer
}

async function readHeader(connection: Connection): Promise<Peer | undefined> {
  const head = await connection.readExactly(signature.length, patience)
  if (head.equals(signature)) return readBlock(connection)
  connection.unread(head)
  const line = await connection.readLine(longestLine, patience)
  return parseLine(line?.toString('latin1') ?? '')
}

/** Reads a version 1 header, without its CRLF. @throws PeerGone when it is none */
export function parseLine(line: string): Peer | undefined {
  if (/^PROXY UNKNOWN( |$)/.test(line)) return undefined
  const [, family, source = '', target = '', sourcePort = '', targetPort = ''] =
    /^PROXY TCP([46]) ([^ ]+) ([^ ]+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? []
  const isAddress = family === '4' ? isIPv4 : isIPv6
  const ports = [Number(sourcePort), Number(targetPort)]
  if (!family || !isAddress(source) || !isAddress(target) || ports.some(port => port > 65_535))
    throw new PeerGone('a configured proxy must send a PROXY header, and did not')
  return { address: plainAddress(source), port: Number(sourcePort) }
}

async function readBlock(connection: Connection): Promise<Peer | undefined> {
  const head = await connection.readExactly(4, patience)
  const [versionCommand = 0, familyProtocol = 0] = head
  const length = head.readUInt16BE(2)
  if (versionCommand >> 4 !== 2 || length > longestBlock)
    throw new PeerGone('a PROXY header of an unknown version')
  const block = await connection.readExactly(length, patience)
  return (versionCommand & 15) === 0 ? undefined : parseBlock(familyProtocol, block)
}

/** Reads the addresses of a version 2 header. @param familyProtocol its 14th octet @throws PeerGone when cut short */
export function parseBlock(familyProtocol: number, block: Buffer): Peer | undefined {
  const family = familyProtocol >> 4
  if (family !== 1 && family !== 2) return undefined
  const size = family === 1 ? 4 : 16
  if (block.length < 2 * size + 4) throw new PeerGone('a PROXY header that is cut short')
  const port = block.readUInt16BE(2 * size)
  if (family === 1) return { address: [...block.subarray(0, 4)].join('.'), port }
  const groups = Array.from({ length: 8 }, (_, i) => block.readUInt16BE(2 * i).toString(16))
  return { address: plainAddress(shorten(groups)), port }
}

/** The address as every other log line writes it: zeroes shortened, an IPv4 address within in dots. */
function shorten(groups: string[]): string {
  const { hostname } = new URL(`http://[${groups.join(':')}]`)
  const address = hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(address) ?? []
  if (high === undefined || low === undefined) return address
  const bits = (Number.parseInt(high, 16) << 16) | Number.parseInt(low, 16)
  return `::ffff:${[24, 16, 8, 0].map(shift => (bits >>> shift) & 255).join('.')}`
}
