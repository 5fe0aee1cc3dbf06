import { bodyLimit } from 'hono/body-limit'
import { HttpError } from '../errors.ts'

/** Refuses a larger body with 413. */
export const limitBody = (maxBytes: number) =>
  bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new HttpError(413, 'too_large', `the body is larger than ${maxBytes} bytes`)
    },
  })
