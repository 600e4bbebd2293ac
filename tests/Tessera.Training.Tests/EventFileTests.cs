using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Tessera.Testing;

namespace Tessera.Training.Tests;

public sealed class EventFileTests
{
    private static void Step(RunLog log, long step, double loss) =>
        log.Write("step", 0, step, [("lr", 1e-3), ("loss", loss), ("images_per_second", 12.5)]);

    private static void Evaluation(RunLog log, long step, double top1) =>
        log.Write("evaluation", 0, step, [("top1", top1), ("ema_top1", top1 / 2)]);

    [Fact]
    public void The_checksum_of_the_reader_is_CRC_32C() => Assert.Equal(0xE3069283u, EventReader.Crc32C("123456789"u8));

    [Fact]
    public void Numbers_of_the_log_are_scalars_in_groups_by_kind()
    {
        using var folder = new TempFolder();
        using (var log = new RunLog(Path.Combine(folder.Path, "log.jsonl")))
        {
            Step(log, 2, 1.5);
            Evaluation(log, 4, 0.75);
            log.Write("unreadable", 0, 4, [("file", "x.jpg")]);
        }
        var file = Assert.Single(Directory.GetFiles(folder.Path, "events.out.tfevents.*"));
        Assert.Matches(@"^events\.out\.tfevents\.\d{10}\.[^.]+", Path.GetFileName(file));
        var events = EventReader.Read(file);
        Assert.Equal("brain.Event:2", events[0].Version);
        Assert.True(events[1].Start);
        Assert.Equal(
            [
                ("train/lr", 2L, 1e-3f),
                ("train/loss", 2, 1.5f),
                ("train/images_per_second", 2, 12.5f),
                ("test/top1", 4, 0.75f),
                ("test/ema_top1", 4, 0.375f),
            ],
            EventReader.Merge(folder.Path)
        );
    }

    [Fact]
    public void Events_carry_the_time_of_the_clock()
    {
        using var folder = new TempFolder();
        using (var file = new EventFile(folder.Path, 1, new Stopped(DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_250))))
            file.Write(1, [("loss", 2)]);
        var path = Assert.Single(Directory.GetFiles(folder.Path));
        Assert.StartsWith("events.out.tfevents.1700000000.", Path.GetFileName(path), StringComparison.Ordinal);
        var events = EventReader.Read(path);
        Assert.Equal(3, events.Count);
        Assert.All(events, e => Assert.Equal(1_700_000_000.25, e.WallTime));
    }

    private sealed class Stopped(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }

    [Fact]
    public void After_resuming_no_step_beyond_the_checkpoint_is_left_of_the_process_before()
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "log.jsonl");
        long length;
        using (var log = new RunLog(path))
        {
            Step(log, 2, 2);
            Step(log, 4, 1);
            Evaluation(log, 4, 0.5);
            length = log.Length;
            Step(log, 6, 0.9);
            Step(log, 8, 0.8);
        }
        // Twice within a second: the files have to stay in order all the same.
        for (var again = 0; again < 2; again++)
        {
            using var log = new RunLog(path);
            log.Truncate(length);
            Step(log, 6, 0.7 + again);
        }
        Assert.Equal(3, Directory.GetFiles(folder.Path, "events.out.tfevents.*").Length);
        var loss = EventReader.Merge(folder.Path).Where(scalar => scalar.Tag == "train/loss").Select(scalar => (scalar.Step, scalar.Value));
        Assert.Equal([(2L, 2f), (4, 1f), (6, 1.7f)], loss);
    }

    [Fact]
    public void A_training_that_was_stopped_leaves_the_same_scalars_as_its_log()
    {
        using var folder = new TempFolder();
        foreach (var stop in (int[])[7, 13, 20])
        {
            using var scope = new Scope();
            using var trainer = Tiny.Training(folder.Path).Trainer;
            if (stop != 7)
                Assert.True(trainer.Resume());
            trainer.Train(stop);
        }
        var expected = RunLog
            .Read(new RunFolder(folder.Path).LogPath)
            .SelectMany(line =>
                line.Where(field => field.Key is not ("step" or "epoch") && field.Value!.GetValueKind() == JsonValueKind.Number)
                    .Select(field =>
                        (
                            $"{((string)line["kind"]! == "step" ? "train" : "test")}/{field.Key}",
                            (long)line["step"]!,
                            (float)(double)field.Value!
                        )
                    )
            );
        Assert.Equal(expected, EventReader.Merge(folder.Path));
    }

    /// <summary>Reads event files by the published formats alone, with checksums and messages taken apart by hand.</summary>
    private static class EventReader
    {
        internal sealed record Event(
            double WallTime,
            long Step,
            string? Version,
            bool Start,
            IReadOnlyList<(string Tag, float Value)> Scalars
        );

        /// <summary>What TensorBoard shows of a folder: files by name, a start throws away what is of its step or later.</summary>
        internal static List<(string Tag, long Step, float Value)> Merge(string folder)
        {
            var shown = new List<(string Tag, long Step, float Value)>();
            foreach (var file in Directory.GetFiles(folder, "events.out.tfevents.*").Order(StringComparer.Ordinal))
            {
                foreach (var happened in Read(file))
                {
                    if (happened.Start)
                        shown.RemoveAll(scalar => scalar.Step >= happened.Step);
                    shown.AddRange(happened.Scalars.Select(scalar => (scalar.Tag, happened.Step, scalar.Value)));
                }
            }
            return shown;
        }

        internal static List<Event> Read(string path)
        {
            var bytes = File.ReadAllBytes(path).AsSpan();
            var events = new List<Event>();
            while (bytes.Length > 0)
            {
                var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
                Assert.Equal(Masked(bytes[..8]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));
                var message = bytes.Slice(12, length);
                Assert.Equal(Masked(message), BinaryPrimitives.ReadUInt32LittleEndian(bytes[(12 + length)..]));
                events.Add(Parse(message));
                bytes = bytes[(16 + length)..];
            }
            return events;
        }

        internal static uint Crc32C(ReadOnlySpan<byte> bytes)
        {
            var crc = uint.MaxValue;
            foreach (var value in bytes)
            {
                crc ^= value;
                for (var bit = 0; bit < 8; bit++)
                    crc = (crc & 1) == 0 ? crc >> 1 : crc >> 1 ^ 0x82F63B78;
            }
            return ~crc;
        }

        private static uint Masked(ReadOnlySpan<byte> bytes)
        {
            var crc = Crc32C(bytes);
            return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
        }

        private static Event Parse(ReadOnlySpan<byte> message)
        {
            var (time, step, version, start, scalars) = (0.0, 0L, (string?)null, false, new List<(string, float)>());
            foreach (var (field, number, content) in Fields(message))
            {
                switch (field)
                {
                    case 1:
                        time = BitConverter.UInt64BitsToDouble(number);
                        break;
                    case 2:
                        step = (long)number;
                        break;
                    case 3:
                        version = Encoding.UTF8.GetString(content);
                        break;
                    case 5:
                        foreach (var value in Fields(content))
                            scalars.Add(Scalar(value.Content));
                        break;
                    case 7:
                        start = Fields(content).Any(status => status is { Field: 1, Number: 1 });
                        break;
                    default:
                        Assert.Fail($"field {field} of an event");
                        break;
                }
            }
            return new(time, step, version, start, scalars);
        }

        private static (string, float) Scalar(byte[] content)
        {
            var fields = Fields(content);
            return (
                Encoding.UTF8.GetString(fields.Single(f => f.Field == 1).Content),
                BitConverter.UInt32BitsToSingle((uint)fields.SingleOrDefault(f => f.Field == 2).Number)
            );
        }

        private static List<(int Field, ulong Number, byte[] Content)> Fields(ReadOnlySpan<byte> message)
        {
            var fields = new List<(int, ulong, byte[])>();
            while (message.Length > 0)
            {
                var key = Varint(ref message);
                switch (key & 7)
                {
                    case 0:
                        fields.Add(((int)(key >> 3), Varint(ref message), []));
                        break;
                    case 1:
                        fields.Add(((int)(key >> 3), BinaryPrimitives.ReadUInt64LittleEndian(message), []));
                        message = message[8..];
                        break;
                    case 5:
                        fields.Add(((int)(key >> 3), BinaryPrimitives.ReadUInt32LittleEndian(message), []));
                        message = message[4..];
                        break;
                    case 2:
                        var length = (int)Varint(ref message);
                        fields.Add(((int)(key >> 3), 0, message[..length].ToArray()));
                        message = message[length..];
                        break;
                    default:
                        Assert.Fail($"wire type {key & 7}");
                        break;
                }
            }
            return fields;
        }

        private static ulong Varint(ref ReadOnlySpan<byte> bytes)
        {
            var (result, shift) = (0UL, 0);
            while (true)
            {
                var value = bytes[0];
                bytes = bytes[1..];
                result |= (ulong)(value & 0x7F) << shift;
                if (value < 0x80)
                    return result;
                shift += 7;
            }
        }
    }
}
