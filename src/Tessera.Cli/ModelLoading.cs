using System.CommandLine;

namespace Tessera.Cli;

/// <summary>What commands that use a trained model share.</summary>
internal static class ModelLoading
{
    /// <summary>Where the model computes.</summary>
    internal static Option<string> DeviceOption()
    {
        var option = new Option<string>("--device")
        {
            Description = "Where the model computes: cpu, cuda or cuda:N.",
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
