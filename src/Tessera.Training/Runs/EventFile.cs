using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Google.Protobuf;
using Tessera.Training.TensorBoard;

namespace Tessera.Training.Runs;

/// <summary>
/// A file of scalars for TensorBoard. A process that goes on with a run begins a new one, which says from which step on the
/// older ones no longer hold.
/// </summary>
internal sealed class EventFile : IDisposable
{
    private const string Prefix = "events.out.tfevents.";

    private readonly FileStream stream;
    private readonly TimeProvider clock;

    /// <summary>Begins a file in a folder.</summary>
    /// <param name="folder">Folder of the run.</param>
    /// <param name="firstStep">Step, over all epochs, from which on the scalars of older files no longer count.</param>
    /// <param name="clock">Gives the times of the events.</param>
    internal EventFile(string folder, long firstStep, TimeProvider clock)
    {
        this.clock = clock;
        // TensorBoard reads the files of a folder in the order of their names: seconds first.
        var seconds = Math.Max(clock.GetUtcNow().ToUnixTimeSeconds(), Newest(folder) + 1);
        var path = Path.Combine(
            folder,
            string.Create(CultureInfo.InvariantCulture, $"{Prefix}{seconds:D10}.{Environment.MachineName}.{Environment.ProcessId}.0")
        );
        stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        Write(new Event { FileVersion = "brain.Event:2" });
        Write(
            new Event
            {
                Step = firstStep,
                SessionLog = new() { Status = SessionLog.Types.SessionStatus.Start },
            }
        );
    }

    /// <summary>Writes the scalars of a step and hands them to the system.</summary>
    internal void Write(long step, IEnumerable<(string Tag, double Value)> scalars)
    {
        var summary = new Summary();
        summary.Value.AddRange(scalars.Select(scalar => new Summary.Types.Value { Tag = scalar.Tag, SimpleValue = (float)scalar.Value }));
        if (summary.Value.Count == 0)
            return;
        Write(new Event { Step = step, Summary = summary });
        stream.Flush();
    }

    // A record: its length, the checksum of that, the message, the checksum of that.
    private void Write(Event happened)
    {
        happened.WallTime = (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds;
        var message = happened.ToByteArray();
        var record = new byte[12 + message.Length + 4];
        BinaryPrimitives.WriteInt64LittleEndian(record, message.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), MaskedChecksum(record.AsSpan(0, 8)));
        message.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + message.Length), MaskedChecksum(message));
        stream.Write(record);
    }

    // CRC-32C, rotated and shifted so that the checksum of data that hold checksums stays a good one.
    private static uint MaskedChecksum(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
            crc = BitOperations.Crc32C(crc, value);
        return BitOperations.RotateRight(~crc, 15) + 0xA282EAD8;
    }

    private static long Newest(string folder) =>
        Directory
            .EnumerateFiles(folder, Prefix + "*")
            .Select(path =>
                long.TryParse(
                    Path.GetFileName(path)[Prefix.Length..].Split('.')[0],
                    NumberStyles.None,
                    CultureInfo.InvariantCulture,
                    out var seconds
                )
                    ? seconds
                    : 0
            )
            .DefaultIfEmpty()
            .Max();

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();
}
