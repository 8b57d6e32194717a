/** The slow password hashes, argon2 and bcrypt: the only file that knows hash-wasm. */
import { timingSafeEqual } from 'node:crypto'

/** bcrypt's own limit; what follows has never counted. In octets. */
const bcryptLength = 72
const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const bcryptAlphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export interface Argon2Cost {
  /** In KiB. */
  readonly memory: number
  readonly iterations: number
}

/** @returns `$argon2id$v=19$m=…,t=…,p=1$salt$hash` */
export async function argon2id(password: Buffer, salt: Buffer, cost: Argon2Cost): Promise<string> {
  const { argon2id } = await import('hash-wasm')
  const { memory: memorySize, iterations } = cost
  const options = { password, salt, memorySize, iterations, parallelism: 1, hashLength: 32 }
  return argon2id({ ...options, outputType: 'encoded' })
}

/** @returns undefined when `stored` is no argon2i or argon2id hash of version 1.3 */
export async function verifyArgon2(password: Buffer, stored: string): Promise<boolean | undefined> {
  const [, kind, memory, iterations, lanes, salt = '', hash = ''] =
    /^\$(argon2id?)\$v=19\$m=(\d{1,8}),t=(\d{1,6}),p=(\d{1,3})\$([\w+/]{11,})\$([\w+/]{6,})$/.exec(stored) ??
    []
  if (kind === undefined) return undefined
  const wanted = Buffer.from(hash, 'base64')
  const { argon2i, argon2id } = await import('hash-wasm')
  const found = await (kind === 'argon2i' ? argon2i : argon2id)({
    password,
    salt: Buffer.from(salt, 'base64'),
    memorySize: Number(memory),
    iterations: Number(iterations),
    parallelism: Number(lanes),
    hashLength: wanted.length,
    outputType: 'binary',
  })
  return timingSafeEqual(wanted, found)
}

/** @returns `$2y$…`, the name that crypt(3) and Dovecot give to this hash */
export async function bcrypt(password: Buffer, salt: Buffer, cost: number): Promise<string> {
  const { bcrypt } = await import('hash-wasm')
  const options = { password: password.subarray(0, bcryptLength), salt, costFactor: cost }
  return `$2y${(await bcrypt({ ...options, outputType: 'encoded' })).slice(3)}`
}

/** @returns undefined when `stored` is no bcrypt hash */
export async function verifyBcrypt(password: Buffer, stored: string): Promise<boolean | undefined> {
  const [, cost, salt] = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})[./A-Za-z0-9]{31}$/.exec(stored) ?? []
  if (salt === undefined || Number(cost) < 4 || Number(cost) > 31) return undefined
  const octets = Buffer.from(
    salt.replace(/./g, character => standard[bcryptAlphabet.indexOf(character)] as string),
    'base64',
  )
  const found = await bcrypt(password, octets, Number(cost))
  return timingSafeEqual(Buffer.from(found.slice(-31)), Buffer.from(stored.slice(-31)))
}
