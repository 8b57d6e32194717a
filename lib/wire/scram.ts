/** SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), without channel binding. */

/** What is kept of a password (RFC 5802 §3); the password cannot be had from it. */
export interface ScramKeys {
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}
