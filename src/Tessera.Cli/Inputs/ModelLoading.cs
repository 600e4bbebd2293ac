using System.CommandLine;
using Tessera.Cli.Shell;
using Tessera.Models;

namespace Tessera.Cli.Inputs;

/// <summary>What commands that use a trained model share.</summary>
internal static class ModelLoading
{
    /// <summary>A model of the registry, where a name is no folder.</summary>
    /// <exception cref="UserException">The name looks like a path.</exception>
    /// <exception cref="UnknownModelException">There is no such model; the message names the nearest.</exception>
    internal static Variant Find(string name) =>
        name.Contains(Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? throw new UserException($"there is no run folder {name}")
            : Registry.Get(name);

    /// <summary>Where the model computes.</summary>
    internal static Option<string> DeviceOption()
    {
        var option = new Option<string>("--device")
        {
            Description = "Device of the model: cpu, cuda or cuda:N.",
            HelpName = "device",
            DefaultValueFactory = _ => "cpu",
        };
        option.Validators.Add(result =>
        {
            try
            {
                Device.Parse(result.GetValueOrDefault<string>());
            }
            catch (FormatException error)
            {
                result.AddError(error.Message);
            }
        });
        return option;
    }
}
