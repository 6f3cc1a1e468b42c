/** What can be done about a participant: by everybody, and by hosts. Which of it a role allows, the server decides too. */
import { confirm } from "./dialogs.js";
import { act } from "./mute_all.js";

const RANKS = { host: 3, cohost: 2, participant: 1, audience: 0 };

/** @returns {boolean} whether a role keeps order */
export function leads(role) {
  return RANKS[role] >= RANKS.cohost;
}

/**
 * @param {import("../sdk/sfu.js").Meeting} meeting
 * @param {import("../sdk/roster.js").Participant} person
 * @param {{write?: (id: string) => void}} actions
 * @returns {import("./menu.js").Item[]} in their order; none where there is nothing to do
 */
export function itemsFor(meeting, person, { write }) {
  const { role } = meeting.permissions;
  const isSelf = person.id === meeting.participantId;
  return [
    ...(isSelf ? [] : messageItems(meeting, person, write)),
    ...(leads(role) && !isSelf ? soundItems(meeting, person) : []),
    ...(leads(role) ? spotlightItems(meeting, person) : []),
    ...(role === "host" && !isSelf ? hostItems(meeting, person) : []),
    ...(leads(role) && !isSelf ? removeItems(meeting, person) : []),
  ];
}

function messageItems({ chat, permissions }, { id, role }, write) {
  const { mode, direct } = chat.settings;
  const may = mode === "everyone" || (mode === "hosts" && (leads(permissions.role) || leads(role)));
  return write && direct && may ? [{ label: "Message", symbol: "chat", run: () => write(id) }] : [];
}

function soundItems({ host, permissions }, { id, name, role, sources }) {
  const isBelow = RANKS[role] < RANKS[permissions.role];
  const { microphone } = sources;
  if (!microphone) return [];
  if (microphone.muted) {
    const ask = () => act(host.askToUnmute(id), `${name} was asked to unmute`);
    return [{ label: "Ask to unmute", symbol: "mic", run: ask }];
  }
  return isBelow ? [{ label: "Mute", symbol: "mic-off", run: () => act(host.mute(id)) }] : [];
}

function spotlightItems({ host, moderation }, { id }) {
  const { spotlight } = moderation;
  const isLit = spotlight.includes(id);
  const items = [{
    label: isLit ? "End spotlight" : "Spotlight for everyone", symbol: "star",
    run: () => act(host.spotlight(isLit ? spotlight.filter((one) => one !== id) : [id])),
  }];
  if (!isLit && spotlight.length > 0) {
    items.push({ label: "Add to spotlight", symbol: "plus", run: () => act(host.spotlight([...spotlight, id])) });
  }
  return items;
}

function removeItems({ door, permissions }, { id, name, role }) {
  if (RANKS[role] >= RANKS[permissions.role]) return [];
  const remove = async () => {
    const text = "They can not come back to this meeting.";
    if (await confirm(`Remove ${name}?`, text, "Remove")) act(door.remove(id), `${name} was removed`);
  };
  return [{ label: "Remove", symbol: "close", run: remove }];
}

function hostItems({ host }, { id, name, role }) {
  if (role === "host" || role === "audience") return [];
  const transfer = async () => {
    const text = "You will be a co-host then.";
    if (await confirm(`Make ${name} the host?`, text, "Make host")) act(host.transfer(id), `${name} is the host now`);
  };
  const isCohost = role === "cohost";
  return [
    isCohost
      ? { label: "End co-host", symbol: "person", run: () => act(host.demote(id)) }
      : { label: "Make co-host", symbol: "person", run: () => act(host.promote(id)) },
    { label: "Make host", symbol: "crown", run: transfer },
  ];
}
