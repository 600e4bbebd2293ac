using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Tessera.Deploy;

namespace Tessera.Tests.Deploy;

/// <summary>
/// What the compiler made of the loops in which products spend their time: nothing but loads, repeats of loaded values and multiply-adds.
/// A sum or a move between lanes in them costs a third of the speed, and no result shows it.
/// </summary>
public sealed partial class KernelLoopTests
{
    private sealed record Instruction(long At, string Name, string Operands);

    // Objdump comes with the compiler that the native library was built by; without it there is nothing to look at.
    private static string[]? Disassembly()
    {
        _ = CompiledModel.Kernels;
        var library = File.ReadLines("/proc/self/maps").First(line => line.EndsWith("/libtessera.so", StringComparison.Ordinal));
        var start = new ProcessStartInfo(
            "objdump",
            ["-d", "-C", "--no-show-raw-insn", library[library.IndexOf('/', StringComparison.Ordinal)..]]
        )
        {
            RedirectStandardOutput = true,
        };
        try
        {
            using var process = Process.Start(start)!;
            var text = process.StandardOutput.ReadToEnd().Split('\n');
            process.WaitForExit();
            return process.ExitCode == 0 ? text : null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    private static IEnumerable<(string Name, List<Instruction> Body)> Functions(IEnumerable<string> lines)
    {
        var (name, body) = ("", new List<Instruction>());
        foreach (var line in lines)
        {
            if (Head().Match(line) is { Success: true } head)
            {
                yield return (name, body);
                (name, body) = (head.Groups[1].Value, []);
            }
            else if (Line().Match(line) is { Success: true } found)
                body.Add(new(Address(found.Groups[1].Value), found.Groups[2].Value, found.Groups[3].Value));
        }
        yield return (name, body);
    }

    private static long Address(string text) => long.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // From where a jump leads back to, up to the jump; those that have no other inside.
    private static IEnumerable<Instruction[]> InnermostLoops(List<Instruction> body)
    {
        var places = body.Index().ToDictionary(one => one.Item.At, one => one.Index);
        var loops = new List<(int First, int Last)>();
        foreach (var (last, jump) in body.Index())
            if (
                jump.Name.StartsWith('j')
                && Target().Match(jump.Operands) is { Success: true } target
                && places.TryGetValue(Address(target.Groups[1].Value), out var first)
                && first <= last
            )
                loops.Add((first, last));
        return loops
            .Where(loop => !loops.Any(other => other != loop && other.First >= loop.First && other.Last <= loop.Last))
            .Select(loop => body[loop.First..(loop.Last + 1)].ToArray())
            // A jump back from code that is seldom run, such as an odd depth's last row, is no loop: it leads over the function's end.
            .Where(loop => !loop.Any(one => one.Name == "ret"));
    }

    private static bool Multiplies(Instruction one) => one.Name.StartsWith("vfmadd", StringComparison.Ordinal) || one.Name == "vdpbf16ps";

    // Vector instructions that cost the units of multiplication nothing: what reads memory, and the products themselves.
    private static bool IsAllowed(Instruction one) =>
        Multiplies(one)
        || one.Name[0] != 'v'
        || (
            one.Operands.Split(',')[0].Contains('(', StringComparison.Ordinal)
            && one.Name
                is "vbroadcastss"
                    or "vpbroadcastd"
                    or "vmovaps"
                    or "vmovups"
                    or "vmovdqa"
                    or "vmovdqa32"
                    or "vmovdqa64"
                    or "vmovdqu"
        )
        // Addresses of rows, where there are more of them than registers.
        || one.Name == "vmovq";

    [Fact]
    public void Loops_of_products_hold_loads_and_multiply_adds_alone()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64 || Disassembly() is not { } lines)
            return;
        var looked = new Dictionary<string, int>();
        foreach (var (name, body) in Functions(lines).Where(function => Product().IsMatch(function.Name)))
        {
            var (rows, columns) = (Number(name, 1), Number(name, 2));
            // Each loop: as many products as there are sums in registers. Those in two halves of bfloat16 also part and join.
            foreach (var loop in InnermostLoops(body).Where(loop => loop.Count(Multiplies) == rows * columns))
            {
                var half = name.Contains("unsigned short const*, long, unsigned short const*", StringComparison.Ordinal);
                if (half && !loop.Any(one => one.Name == "vdpbf16ps"))
                    continue;
                var wrong = loop.Where(one => !IsAllowed(one)).Select(one => $"{one.Name} {one.Operands}").ToArray();
                Assert.True(wrong.Length == 0, $"{name}: {string.Join("; ", wrong)}");
                var kind =
                    half ? "bfloat16"
                    : loop.First(Multiplies).Operands.Contains("zmm", StringComparison.Ordinal) ? "avx512"
                    : "avx2";
                looked[kind] = looked.GetValueOrDefault(kind) + 1;
            }
        }
        // The loops were found, and not renamed away: 2 types of result, each with all numbers of rows and vectors.
        Assert.True(looked.GetValueOrDefault("avx2") >= 2 * (12 + 6), string.Join(' ', looked));
        Assert.True(looked.GetValueOrDefault("avx512") >= 2 * 2 * (12 + 12 + 8 + 6), string.Join(' ', looked));
        Assert.True(looked.GetValueOrDefault("bfloat16") >= 2 * (12 + 8 + 6), string.Join(' ', looked));
    }

    private static int Number(string name, int group) =>
        int.Parse(Product().Match(name).Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^[0-9a-f]+ <(.*)>:$")]
    private static partial Regex Head();

    [GeneratedRegex(@"^\s*([0-9a-f]+):\t(\S+)\s*(.*)$")]
    private static partial Regex Line();

    [GeneratedRegex(@"^([0-9a-f]+)\b")]
    private static partial Regex Target();

    [GeneratedRegex(@"(?:multiply_rows|accumulate)<(\d+), (\d), (?:float|unsigned short|true|false)")]
    private static partial Regex Product();
}
