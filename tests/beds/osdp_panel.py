"""A control panel of another maker (the package `osdp`, pure Python) on one end of a line, in a process of its own.

`python osdp_panel.py LINE MASTER_KEY SECONDS`, with that package first on the path: prints what it hears.
"""

import sys
import time

from osdp import (
    ControlPanel,
    LedColor,
    PermanentReaderControlCode,
    ReaderLedControl,
    ReaderLedControls,
    SerialPortOsdpConnection,
    TemporaryReaderControlCode,
)


class Heard(ControlPanel):
    """Says what comes."""

    def on_raw_card_data_reply_received(self, _address, card):
        print("card", card.bit_count, bytes(card.data).hex(), flush=True)

    def on_local_status_report_reply_received(self, _address, status):
        print("tamper", int(status.tamper), flush=True)


def main(line: str, master_key: str, seconds: float) -> None:
    panel = Heard(bytes.fromhex(master_key))
    bus = panel.start_connection(SerialPortOsdpConnection(line, 9600))
    device = panel._buses[bus].add_device(0, True, True, bytes.fromhex(master_key))
    end, told = time.monotonic() + seconds, False
    while time.monotonic() < end:
        time.sleep(0.05)
        if device.is_security_established and not told:
            told = True
            print("proven", flush=True)
            green = ReaderLedControl(
                0, 0, TemporaryReaderControlCode.SetTemporaryAndStartTimer, 2, 1, LedColor.Green, LedColor.Black, 30,
                PermanentReaderControlCode.Nop, 0, 0, LedColor.Black, LedColor.Black,
            )  # fmt: skip
            print("lamp", panel.reader_led_control(bus, 0, ReaderLedControls([green])), flush=True)
    panel.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
