"""Our decoding of Read and Publish responses against asyncua's encoding, and against bytes that lie."""

import struct
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary, variant_from_binary
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua import bounds
from drivers.opcua.wire import Cursor, Other, Told, WireError, publish_response, read_response, republish_response

MOMENT = datetime(2026, 11, 23, 13, 22, 0, 250_000, tzinfo=UTC)
MOMENT_US = 1_795_440_120_250_000
V = ua.VariantType
STRUCTURE = ua.Range(Low=1.0, High=2.0)


def read_bytes(*values):
    response = ua.ReadResponse()
    response.TypeId = ua.FourByteNodeId(ua.ObjectIds.ReadResponse_Encoding_DefaultBinary)
    response.Results = list(values)
    return struct_to_binary(response)


def publish_bytes(*parts, subscription=7, sequence=3, available=(3, 4)):
    response = ua.PublishResponse()
    response.TypeId = ua.FourByteNodeId(ua.ObjectIds.PublishResponse_Encoding_DefaultBinary)
    response.Parameters.SubscriptionId = subscription
    response.Parameters.AvailableSequenceNumbers = list(available)
    response.Parameters.NotificationMessage.SequenceNumber = sequence
    response.Parameters.NotificationMessage.NotificationData = list(parts)
    return struct_to_binary(response)


def changes(*pairs):
    items = [ua.MonitoredItemNotification(ClientHandle=handle, Value=value) for handle, value in pairs]
    return ua.DataChangeNotification(MonitoredItems=items)


def value_of(variant, status=0, moment=MOMENT):
    return ua.DataValue(variant, ua.StatusCode(status), SourceTimestamp=moment, ServerTimestamp=MOMENT + timedelta(9))


@pytest.mark.parametrize(
    ("variant", "value"),
    [
        (ua.Variant(True, V.Boolean), True),
        (ua.Variant(-128, V.SByte), -128),
        (ua.Variant(255, V.Byte), 255),
        (ua.Variant(-2, V.Int16), -2),
        (ua.Variant(65_535, V.UInt16), 65_535),
        (ua.Variant(-(2**31), V.Int32), -(2**31)),
        (ua.Variant(2**32 - 1, V.UInt32), 2**32 - 1),
        (ua.Variant(-(2**63), V.Int64), -(2**63)),
        (ua.Variant(2**64 - 1, V.UInt64), 2**64 - 1),
        (ua.Variant(0.5, V.Float), 0.5),
        (ua.Variant(-1e300, V.Double), -1e300),
        (ua.Variant("Ü 1", V.String), "Ü 1"),
        (ua.Variant(None, V.String), None),
        (ua.Variant(ua.LocalizedText("an", "en"), V.LocalizedText), "an"),
        (ua.Variant(), None),
        (ua.Variant(MOMENT, V.DateTime), Other("a DateTime")),
        (ua.Variant(UUID(int=5), V.Guid), Other("a Guid")),
        (ua.Variant(b"\0\1", V.ByteString), Other("a ByteString")),
        (ua.Variant(ua.NodeId("x", 3), V.NodeId), Other("a NodeId")),
        (ua.Variant(ua.QualifiedName("x", 3), V.QualifiedName), Other("a QualifiedName")),
        (ua.Variant(ua.StatusCode(5), V.StatusCode), Other("a StatusCode")),
        (ua.Variant(STRUCTURE, V.ExtensionObject), Other("an ExtensionObject")),
        (ua.Variant(value_of(ua.Variant(1.0, V.Double)), V.DataValue), Other("a DataValue")),
        (ua.Variant([1.0, 2.0], V.Double), Other("an array of Double")),
        (ua.Variant(["a", None], V.String), Other("an array of String")),
        (ua.Variant([], V.Int32), Other("an array of Int32")),
        (ua.Variant([ua.Variant(1, V.Int32), ua.Variant("x", V.String)], V.Variant), Other("an array of Variant")),
        (ua.Variant([STRUCTURE], V.ExtensionObject), Other("an array of ExtensionObject")),
        (ua.Variant([[1, 2], [3, 4]], V.Int32), Other("an array of Int32")),
    ],
)
def test_each_type_comes_out_and_what_follows_it_is_found(variant, value):
    after = value_of(ua.Variant(42.0, V.Double), 0x40900000)
    told = read_response(read_bytes(value_of(variant), after), 2)
    assert told == [Told(value, 0, MOMENT_US), Told(42.0, 0x40900000, MOMENT_US)]
    assert type(told[0].value) is type(value)
    message = publish_response(publish_bytes(changes((5, value_of(variant)), (6, after))))
    assert message.changes == ((5, told[0]), (6, told[1]))


def test_no_source_time_is_none_whatever_the_server_time_is():
    for moment in (None, datetime(1601, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)):
        (told,) = read_response(read_bytes(value_of(ua.Variant(1.0, V.Double), moment=moment)), 1)
        assert told.source_us is None


def test_a_publish_response_gives_number_events_and_the_end_of_a_subscription():
    event = ua.EventNotificationList(Events=[ua.EventFieldList(ClientHandle=1, EventFields=[ua.Variant("x")])])
    end = ua.StatusChangeNotification(Status=ua.StatusCode(0x800A0000))
    message = publish_response(publish_bytes(event, end, changes((1, value_of(ua.Variant(1.0, V.Double))))))
    assert (message.subscription, message.sequence, message.available) == (7, 3, (3, 4))
    assert message.statuses == (0x800A0000,)
    assert len(message.events) == 1
    assert len(message.changes) == 1
    assert not message.empty
    assert publish_response(publish_bytes()).empty
    again = ua.RepublishResponse()
    again.TypeId = ua.FourByteNodeId(ua.ObjectIds.RepublishResponse_Encoding_DefaultBinary)
    again.NotificationMessage.SequenceNumber = 9
    again.NotificationMessage.NotificationData = [changes((1, value_of(ua.Variant(2.0, V.Double))))]
    message = republish_response(struct_to_binary(again), 7)
    assert (message.subscription, message.sequence, message.changes[0][1].value) == (7, 9, 2.0)


def test_counts_that_lie_are_refused_before_anything_is_built():
    whole = read_bytes(*[value_of(ua.Variant(1.0, V.Double))] * 3)
    with pytest.raises(WireError, match="3 values came for 2 nodes"):
        read_response(whole, 2)
    at = whole.index(struct.pack("<i", 3), 20)
    with pytest.raises(WireError, match="cannot be in this message"):
        read_response(whole[:at] + struct.pack("<i", 2**31 - 1) + whole[at + 4 :], 3)
    array = read_bytes(value_of(ua.Variant([1.0, 2.0], V.Double)))
    at = array.index(struct.pack("<i", 2), 20)
    with pytest.raises(WireError, match="cannot be in this message"):
        read_response(array[:at] + struct.pack("<i", 60_000) + array[at + 4 :], 1)


def test_nulls_take_no_room_so_their_number_costs_nothing():
    nulls = bytes([0x80]) + struct.pack("<i", 90_000)
    many = bytes([0x80 | 24]) + struct.pack("<i", 20_000) + 20_000 * nulls
    before_s = time.process_time()
    assert Cursor(many + bytes(90_000)).value() == Other("an array of Variant")
    assert time.process_time() - before_s < 30  # a loop over each of them takes minutes


@pytest.mark.parametrize(
    "variant",
    [
        bytes([0x80]) + struct.pack("<i", 1_000),  # a thousand nulls out of nothing
        bytes([0x80 | 15]) + struct.pack("<ii", 1_000, -4),  # back to the length, a thousand times
        bytes([0xC0 | 6]) + struct.pack("<iiii", 0, 1, 1_000_000, -4) + bytes([12]) + struct.pack("<i", -9),
    ],
)
def test_the_library_s_own_decoder_is_bounded_too(variant):
    bounds.set_bounds()
    data = Buffer(variant)
    with pytest.raises((ua.UaError, *bounds.HOSTILE)):
        variant_from_binary(data)
        variant_from_binary(data)


def test_a_matrix_is_no_larger_than_what_came_of_it():
    bounds.set_bounds()
    (value,) = variant_from_binary(Buffer(bytes([0xC0 | 6]) + struct.pack("<iiii", 1, 7, 1, 1_000_000))).Value
    assert value == 7


def test_values_within_values_end():
    head = read_bytes()[:-8] + struct.pack("<i", 1)  # one value, no longer none; no diagnostics
    with pytest.raises(WireError, match="without end"):
        read_response(head + b"\1" + b"\x98\1\0\0\0" * 1_000 + b"\0" * 20, 1)
    with pytest.raises(WireError, match="without end"):
        read_response(head + b"\1" + b"\x97\1\0\0\0\1" * 1_000 + b"\0" * 20, 1)


def test_a_bad_service_result_is_no_answer():
    response = ua.ReadResponse()
    response.TypeId = ua.FourByteNodeId(ua.ObjectIds.ReadResponse_Encoding_DefaultBinary)
    response.ResponseHeader.ServiceResult = ua.StatusCode(0x80100000)
    response.Results = [value_of(ua.Variant(1.0, V.Double))]
    with pytest.raises(WireError, match="0x80100000"):
        read_response(struct_to_binary(response), 1)


SOUND = [
    read_bytes(value_of(ua.Variant([ua.Variant(1, V.Int32)], V.Variant)), value_of(ua.Variant("x" * 30, V.String))),
    publish_bytes(changes((1, value_of(ua.Variant(2.5, V.Double))), (2, value_of(ua.Variant(STRUCTURE))))),
]


@given(
    st.sampled_from(SOUND),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.integers(0, 400),
)
def test_mangled_bytes_are_values_or_a_wire_error_and_nothing_else(sound, changed, cut):
    mangled = bytearray(sound)
    for at, byte in changed:
        mangled[at % len(mangled)] = byte
    data = bytes(mangled[: len(mangled) - cut % len(mangled)])
    for decode in (lambda: read_response(data, 2), lambda: publish_response(data), lambda: republish_response(data, 1)):
        try:
            found = decode()
        except WireError as fault:
            assert str(fault)
        else:
            assert found
