# SPDX-License-Identifier: Apache-2.0
"""suspend and resume: seen on the other edge, last state wins, nothing blocks."""
from harness import Case, eventually, main

CHANGES = 1000


class Power(Case):
    def test_seen_in_events_of_the_other_edge(self):
        _, audio, droid = self.star("audio", "droid")
        with droid.connect() as events:
            events.events()
            self.assertEqual(0, audio.rpmsg("suspend", "ap").returncode)
            events.until(event="device-state", device="audio", state="suspended")
            self.assertEqual(0, droid.rpmsg("ping", "audio").returncode, "advice: traffic goes on")
            self.assertEqual(0, audio.rpmsg("resume", "ap").returncode)
            events.until(event="device-state", device="audio", state="up")

    def test_one_cpu_behind_the_hub_is_told(self):
        """Of a routed device: the hub passes it on, and stays awake itself."""
        hub, audio, droid = self.star("audio", "droid")
        with droid.connect() as events:
            events.events()
            for command, state in (("suspend", "suspended"), ("resume", "up")):
                self.assertEqual(0, audio.rpmsg(command, "droid").returncode)
                events.until(event="device-state", device="audio", state=state)
                self.assertEqual("up", hub.device("audio")["state"])

    def test_direct(self):
        a, b = self.pair()
        with b.connect() as events:
            events.events()
            self.assertEqual(0, a.rpmsg("suspend", "b").returncode)
            events.until(event="device-state", device="a", state="suspended")
            self.assertEqual(0, a.rpmsg("resume", "all").returncode)
            events.until(event="device-state", device="a", state="up")

    def test_unknown_device_is_3(self):
        a, _ = self.pair()
        for command in ("suspend", "resume", "down", "up"):
            self.assertEqual(3, a.rpmsg(command, "nobody").returncode)

    def test_a_thousand_changes_of_both_at_once(self):
        _, audio, droid = self.star("audio", "droid")
        with audio.connect() as one, droid.connect() as two:
            ids = []
            for change in range(CHANGES):
                command = ("suspend", "resume")[change % 2]
                ids.append((one.send(command, device="ap"), two.send(command, device="ap")))
                one.answer(ids[-1][0])
                two.answer(ids[-1][1])
            one.call("suspend", device="ap")
        eventually(lambda: droid.device("audio")["state"] == "suspended", "the last state of audio")
        eventually(lambda: audio.device("droid")["state"] == "up", "the last state of droid")
        self.assertEqual(0, droid.rpmsg("ping", "audio", "-c", 20).returncode)


if __name__ == "__main__":
    main()
