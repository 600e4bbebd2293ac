using System.Security.Cryptography;
using System.Text;
using Tessera.Models;

namespace Tessera.Training.Bundles;

/// <summary>What tells a model from every other one: two with the same hash give the same answers.</summary>
internal static class ModelHash
{
    /// <summary>SHA-256 of all weights and buffers of a model by their names, in lower-case hexadecimal.</summary>
    internal static string Of(Model model) => Of(model, []);

    /// <summary>The same without the classifier, which features do not depend on.</summary>
    internal static string OfFeatures(Model model) => Of(model, model.ClassifierNames);

    private static string Of(Model model, IReadOnlyList<string> except)
    {
        using var scope = new Scope();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in model.StateDict().OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            if (except.Contains(name))
                continue;
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} {tensor.DType} {tensor.Shape}\n"));
            hash.AppendData(tensor.To(Device.Cpu).ToBytes());
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
