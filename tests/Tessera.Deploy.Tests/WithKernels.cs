using Tessera.Deploy;
using Xunit;

namespace Tessera.Tests.Deploy;

/// <summary>Runs a test on chosen kernels.</summary>
internal static class WithKernels
{
    /// <summary>Runs the test on kernels, and nothing where the processor has none of these: the refusal must say what there is.</summary>
    internal static void Run(string kernels, Action test)
    {
        try
        {
            CompiledModel.Use(kernels);
        }
        catch (TorchException error)
        {
            Assert.Contains("plain", error.Message, StringComparison.Ordinal);
            return;
        }
        try
        {
            Assert.Equal(kernels, CompiledModel.Kernels);
            test();
        }
        finally
        {
            CompiledModel.Use("");
        }
    }
}
