/** The first `bytes` of a text's SHA-256, in hex. */
export async function sha256(text: string, bytes = 32): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest).slice(0, bytes), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}
