using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;

namespace Tessera.Models;

/// <summary>
/// Ranges that stand at the parameters of records of options: recipes check them by themselves, and this checks those of code.
/// </summary>
internal static class OptionRanges
{
    /// <summary>The options themselves where every number is in its range.</summary>
    /// <param name="options">A record.</param>
    /// <exception cref="ArgumentException">A number is outside.</exception>
    internal static T Checked<T>(T options)
        where T : notnull
    {
        var type = options.GetType();
        foreach (var parameter in type.GetConstructors().SelectMany(constructor => constructor.GetParameters()))
            if (
                parameter.GetCustomAttribute<RangeAttribute>() is { } range
                && type.GetProperty(parameter.Name!)!.GetValue(options) is { } value
                && !range.IsValid(value)
            )
                throw new ArgumentException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{type.Name}: {parameter.Name} must be {range.Minimum} to {range.Maximum}, not {value}"
                    ),
                    nameof(options)
                );
        return options;
    }
}
