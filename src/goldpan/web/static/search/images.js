/** Images that a person gives: chosen, dropped or pasted. */

import { $, toggle, webAddress } from "./elements.js";

const AS_IT_IS = 1 << 20;
const SIDE = 1024;

/** Calls back with {kind, value, name} of each image that is given. */
export function onImage(callback) {
  const given = async (file) => callback({ kind: "image", name: file.name || "image", value: await encoded(file) });
  const chooser = $("chooser");
  $("choose").addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    if (chooser.files.length) given(chooser.files[0]);
    chooser.value = "";
  });
  addEventListener("paste", (event) => {
    const [file] = imagesIn(event.clipboardData);
    if (file && !event.clipboardData.getData("text/plain")) (event.preventDefault(), given(file));
  });
  onDrop((data) => {
    const [file] = imagesIn(data);
    const link = webAddress(data.getData("text/uri-list").split("\n")[0].trim());
    if (file) given(file);
    else if (link) callback({ kind: "image_url", value: link.href });
  });
}

const imagesIn = (data) => [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));

function onDrop(callback) {
  let depth = 0;
  const isGift = (event) => ["Files", "text/uri-list"].some((kind) => event.dataTransfer?.types.includes(kind));
  const hint = (change) => toggle($("drop"), (depth = change === 0 ? 0 : Math.max(0, depth + change)) > 0);
  addEventListener("dragenter", (event) => isGift(event) && hint(1));
  addEventListener("dragleave", (event) => isGift(event) && hint(-1));
  addEventListener("dragover", (event) => isGift(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    hint(0);
    if (!isGift(event) || event.target.matches("input")) return;
    event.preventDefault();
    callback(event.dataTransfer);
  });
}

/** Returns an image as a data URL; large ones are made smaller, since encoders look at a few hundred pixels. */
async function encoded(file) {
  return dataUrl(file.size > AS_IT_IS ? await smaller(file) : file);
}

async function smaller(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap === null) return file; // the server may know what this browser does not
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale) || 1, Math.round(bitmap.height * scale) || 1);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
}

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
