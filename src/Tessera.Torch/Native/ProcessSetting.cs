namespace Tessera.Native;

/// <summary>Something that Tessera sets for the whole process, unless the program or its user says no.</summary>
/// <param name="Switch">A program says no by this switch of <see cref="AppContext"/>, also in runtimeconfig.json.</param>
/// <param name="Variable">A user says yes or no by this variable of the environment (1 or 0), whatever the program says.</param>
internal sealed record ProcessSetting(string Switch, string Variable)
{
    /// <summary>Freed blocks stay with the process: returning them to the kernel costs page faults at every step.</summary>
    internal static readonly ProcessSetting KeepFreedMemory = new("Tessera.KeepFreedMemory", "TESSERA_KEEP_FREED_MEMORY");

    /// <summary>
    /// OpenMP's threads wait for each other by spinning; beside a busy neighbour that makes them twenty times slower. A short spin, then
    /// sleep, costs nothing measurable on a quiet machine.
    /// </summary>
    internal static readonly ProcessSetting SpinShortly = new("Tessera.SpinShortly", "TESSERA_SPIN_SHORTLY");

    /// <summary>UCX, which Debian 13's libtorch brings, would end the process at signals by which .NET finds null references.</summary>
    internal static readonly ProcessSetting QuietUcx = new("Tessera.QuietUcx", "TESSERA_QUIET_UCX");

    /// <summary>The engine's own default lets convolutions on CUDA round to 10 bits.</summary>
    internal static readonly ProcessSetting FullFloat32 = new("Tessera.FullFloat32", "TESSERA_FULL_FLOAT32");

    /// <summary>An OpenBLAS that does not know the processor is told a core (<see cref="Native.BlasCore"/>).</summary>
    internal static readonly ProcessSetting ChooseBlasCore = new("Tessera.ChooseBlasCore", "TESSERA_CHOOSE_BLAS_CORE");

    /// <summary>Where no native library fits the libtorch at hand, one is built (<see cref="ShimBuild"/>).</summary>
    internal static readonly ProcessSetting BuildNative = new("Tessera.BuildNative", "TESSERA_BUILD_NATIVE");

    /// <summary>Whether it is to be set.</summary>
    /// <param name="variable">A variable of the environment, null where it is not set.</param>
    /// <param name="isOn">A switch, null where it is not set.</param>
    /// <exception cref="InvalidOperationException">The variable is neither 0 nor 1.</exception>
    internal bool IsOn(Func<string, string?> variable, Func<string, bool?> isOn) =>
        variable(Variable) switch
        {
            null or "" => isOn(Switch) ?? true,
            "0" => false,
            "1" => true,
            var other => throw new InvalidOperationException($"{Variable} is \"{other}\": it must be 0 or 1"),
        };

    /// <summary>Whether it is to be set in this process.</summary>
    internal bool IsOnHere => IsOn(Environment.GetEnvironmentVariable, name => AppContext.TryGetSwitch(name, out var on) ? on : null);
}
