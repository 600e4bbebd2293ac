using System.Security.Cryptography;
using System.Text;

namespace Tessera.Training.Bundles;

/// <summary>What a network is known by, whatever file its weights are from.</summary>
internal static class WeightsHash
{
    /// <summary>SHA-256 of all weights and buffers by their names, in lower-case hexadecimal.</summary>
    /// <param name="network">The network.</param>
    /// <param name="preparation">Preparation of the images, where it belongs to what the network is known by; null where not.</param>
    internal static string Of(Module network, string? preparation = null)
    {
        using var scope = new Scope();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        if (preparation is not null)
            hash.AppendData(Encoding.UTF8.GetBytes($"{preparation}\n"));
        foreach (var (name, tensor) in network.StateDict().OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} {tensor.DType} {tensor.Shape}\n"));
            hash.AppendData(tensor.To(Device.Cpu).ToBytes());
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
