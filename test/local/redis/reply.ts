import type { Outcome, Reply } from './backend.ts'

/** Brings what ioredis or its mock returned into the shapes of the REST protocol. */
export function toReply(value: unknown): Reply {
  if (typeof value === 'number' || typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(toReply)
  if (typeof value === 'object' && value !== null) return Object.entries(value).flat().map(toReply)
  // A script's true is 1, and its false is nil.
  return value === true ? 1 : null
}

/** Redis begins every error with a code in capitals; what the mock throws often lacks one. */
export function toErrorMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return /^[A-Z]+ /.test(message) ? message : `ERR ${message}`
}

/** Encodes strings as `Upstash-Encoding: base64` demands: all of them, except an answer that is just OK. */
export function encode(outcome: Outcome): Outcome {
  return 'error' in outcome || outcome.result === 'OK' ? outcome : { result: toBase64(outcome.result) }
}

function toBase64(reply: Reply): Reply {
  if (typeof reply === 'string') return Buffer.from(reply).toString('base64')
  return Array.isArray(reply) ? reply.map(toBase64) : reply
}
