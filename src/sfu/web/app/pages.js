/**
 * Pages of the gallery. First come those with a picture, of whom the server gives one page at a time, then those
 * without, of whom the page knows itself.
 */

/**
 * @param {{cameras: number, others: number, perPage: number, page: number}} counts how many have a picture, how many
 *   have none, how many of them fit on a page, and the page that is wanted
 * @returns {{page: number, pages: number, cameraPage: number, cameraPages: number, from: number, to: number}} the page
 *   that there is instead; of the pictures the page to ask for; of those without: which of them are on it
 */
export function paginate({ cameras, others, perPage, page }) {
  const cameraPages = Math.ceil(cameras / perPage);
  const free = cameraPages * perPage - cameras;
  const pages = Math.max(1, cameraPages + Math.ceil(Math.max(0, others - free) / perPage));
  const at = Math.min(Math.max(0, page), pages - 1);
  const from = Math.max(0, free + (at - cameraPages) * perPage);
  const to = at < cameraPages - 1 ? 0 : Math.min(others, Math.max(0, free + (at + 1 - cameraPages) * perPage));
  return {
    page: at,
    pages,
    cameraPage: Math.max(0, Math.min(at, cameraPages - 1)),
    cameraPages,
    from: at === cameraPages - 1 ? 0 : Math.min(from, others),
    to,
  };
}
