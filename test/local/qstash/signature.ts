import { SignJWT } from 'jose'
import { createHash } from 'node:crypto'
import { newId } from './ids.ts'

const LIFETIME_SECONDS = 300

/** Gives the value of `Upstash-Signature`. */
export type Sign = (url: string, body: string) => Promise<string>

/**
 * Signs deliveries as QStash does: a JWT over the destination and the hash of the body.
 *
 * @param now the receivers' clock, in milliseconds: they compare with their own.
 */
export async function createSigner(key: string, now: () => number): Promise<Sign> {
  const secret = await crypto.subtle.importKey(
    'raw',
    new TextEncoder().encode(key),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  return function sign(url, body) {
    const issuedAt = Math.floor(now() / 1000)
    return new SignJWT({ body: createHash('sha256').update(body).digest('base64url') })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer('Upstash')
      .setSubject(url)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + LIFETIME_SECONDS)
      .setJti(newId('jwt'))
      .sign(secret)
  }
}
