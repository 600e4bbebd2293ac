using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Tessera.Search.Storage;

/// <summary>Seeds of candidates: they come from the genome and the search's seed alone, on every machine and in every process.</summary>
internal static class CandidateSeed
{
    /// <summary>The first eight bytes of the SHA-256 of seed and genome.</summary>
    /// <param name="genome">Names the network.</param>
    /// <param name="searchSeed">Seed of the search.</param>
    internal static ulong Of(string genome, ulong searchSeed)
    {
        var text = Encoding.UTF8.GetBytes(genome);
        var hashed = new byte[sizeof(ulong) + text.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(hashed, searchSeed);
        text.CopyTo(hashed, sizeof(ulong));
        return BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(hashed));
    }
}
