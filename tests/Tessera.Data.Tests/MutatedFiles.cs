using System.Diagnostics;

namespace Tessera.Data.Tests;

/// <summary>Files that differ from a good one in a few bytes, or in length.</summary>
internal static class MutatedFiles
{
    /// <summary>How many per format: <c>TESSERA_MUTATIONS</c>, else enough for every run of the suite.</summary>
    internal static int Count { get; } = int.TryParse(Environment.GetEnvironmentVariable("TESSERA_MUTATIONS"), out var count) ? count : 10_000;

    /// <summary>Reads every mutation: a value or a <see cref="DataException"/> is right, within bounds of time and memory; anything else fails.</summary>
    internal static void Check(string name, byte[] good, Action<string> read, int share = 1)
    {
        using var folder = new TemporaryFolder(inMemory: true);
        var path = folder.Write(name, good);
        var random = new Random(4711);
        var (values, errors) = (0, 0);
        for (var i = 0; i < Count / share; i++)
        {
            File.WriteAllBytes(path, Mutate(good, random));
            var (start, allocated) = (Stopwatch.GetTimestamp(), GC.GetTotalAllocatedBytes());
            try
            {
                read(path);
                values++;
            }
            catch (DataException error)
            {
                Assert.DoesNotContain('\n', error.Message);
                errors++;
            }
            Assert.True(Stopwatch.GetElapsedTime(start).TotalSeconds < 5, $"mutation {i} of {name} takes {Stopwatch.GetElapsedTime(start)}");
            Assert.True(GC.GetTotalAllocatedBytes() - allocated < 256 << 20, $"mutation {i} of {name} takes {GC.GetTotalAllocatedBytes() - allocated} bytes");
        }
        Assert.True(errors > 0, $"no mutation of {name} was rejected ({values} were read)");
    }

    private static byte[] Mutate(byte[] good, Random random)
    {
        var bytes = good.ToArray();
        for (var n = random.Next(1, 5); n > 0 && bytes.Length > 0; n--)
        {
            var position = random.Next(bytes.Length);
            switch (random.Next(6))
            {
                case 0: bytes[position] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[position] = (byte)random.Next(256); break;
                case 2: bytes[position] = random.Next(2) == 0 ? (byte)0xFF : (byte)0; break;
                case 3: bytes = bytes[..position]; break;
                case 4: bytes = [.. bytes[..position], .. bytes[random.Next(bytes.Length)..]]; break;
                default:
                    // Headers are where the interesting bytes are.
                    bytes[random.Next(Math.Min(32, bytes.Length))] = (byte)random.Next(256);
                    break;
            }
        }
        return bytes;
    }
}
