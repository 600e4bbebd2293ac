using System.Net.Sockets;
using Tessera.Native;

namespace Tessera.Tests.Native;

/// <summary>Which native library is loaded, on machines that lie in a folder.</summary>
public sealed class ShimSearchTests : IDisposable
{
    private readonly FakePlaces machine = new();
    private readonly List<string> said = [];

    public void Dispose() => machine.Dispose();

    // cmake's part of a build: the library appears.
    private int Compile(string program, IReadOnlyList<string> arguments, string log)
    {
        File.AppendAllLines(log, [$"{program} {string.Join(' ', arguments)}"]);
        if (arguments is ["-S", _, "-B", var objects, ..])
        {
            Directory.CreateDirectory(objects);
            File.WriteAllText(Path.Combine(Output(arguments), "libtessera.so"), "");
        }
        return 0;
    }

    private static string Output(IReadOnlyList<string> arguments) =>
        arguments.Single(argument => argument.StartsWith("-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=", StringComparison.Ordinal)).Split('=')[1];

    private Shim Choose(bool mayBuild = true, Func<string, IReadOnlyList<string>, string, int>? run = null) =>
        ShimSearch.Choose(machine.Places, new ShimBuild(machine.Places, said.Add, run ?? Compile), mayBuild);

    private string Refusal(bool mayBuild = true) => Assert.Throws<DllNotFoundException>(() => Choose(mayBuild)).Message;

    private static void Holds(string message, params string[] parts)
    {
        Assert.All(parts, part => Assert.Contains(part, message, StringComparison.Ordinal));
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void A_named_library_is_taken_before_all_others()
    {
        machine.Write("app/libtessera.so");
        machine.Variables["TESSERA_NATIVE"] = machine.Write("mine/libtessera.so");
        Assert.Equal(new Shim(machine["mine/libtessera.so"], null), Choose());
        machine.Variables["TESSERA_NATIVE"] = machine["nowhere.so"];
        Holds(Refusal(), "TESSERA_NATIVE names", "nowhere.so");
    }

    [Fact]
    public void In_a_checkout_it_is_the_one_that_was_built_there()
    {
        machine.Debian("1.13");
        machine.Packaged("debian-1.13");
        var built = machine.Write("artifacts/native/system/libtessera.so");
        Assert.Equal(new Shim(built, null), Choose());
    }

    [Fact]
    public void In_a_checkout_another_libtorch_has_a_library_of_its_own()
    {
        machine.Write("artifacts/native/system/libtessera.so");
        var torch = machine.Variables["TESSERA_LIBTORCH"] = machine.Python("venv/lib/python3.12/site-packages", "2.11.0");
        var key = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(torch)))[..12];
        var built = machine.Write($"artifacts/native/{key}/libtessera.so");
        Assert.Equal(new Shim(built, null), Choose());
    }

    [Fact]
    public void Of_a_package_it_is_the_one_for_the_libtorch_that_is_there()
    {
        machine.Packaged("debian-1.13");
        var newer = machine.Packaged("debian-2.6");
        machine.Debian("2.6");
        var shim = Choose();
        Assert.Equal((newer, "debian-2.6"), (shim.Path, shim.Libtorch!.Key));
    }

    [Fact]
    public void A_libtorch_that_a_package_library_fits_is_taken_before_one_that_asks_for_a_build()
    {
        machine.Tools("g++", "cmake", "make");
        var packaged = machine.Packaged("2.11");
        machine.Debian("3.0");
        machine.Write("usr/include/ATen/ATen.h");
        machine.Python("home/user/.local/lib/python3.12/site-packages", "2.11.0+cpu");
        Assert.Equal(packaged, Choose().Path);
        Assert.Empty(said);
    }

    [Theory]
    [InlineData("VIRTUAL_ENV", "venv", "venv/lib/python3.12/site-packages")]
    [InlineData("CONDA_PREFIX", "conda", "conda/lib/python3.11/site-packages")]
    [InlineData(null, null, "home/user/.local/lib/python3.13/site-packages")]
    [InlineData(null, null, "usr/local/lib/python3.12/dist-packages")]
    [InlineData(null, null, "usr/lib/python3/dist-packages")]
    public void A_Python_package_is_found(string? variable, string? prefix, string site)
    {
        if (variable is not null)
            machine.Variables[variable] = machine[prefix!];
        machine.Python(site, "2.11.0+cpu");
        var packaged = machine.Packaged("2.11");
        Assert.Equal(packaged, Choose().Path);
    }

    [Fact]
    public void The_named_libtorch_is_the_only_one_that_counts()
    {
        machine.Debian("1.13");
        machine.Packaged("debian-1.13");
        machine.Write("app/libtessera.so");
        machine.Variables["TESSERA_LIBTORCH"] = machine["nowhere"];
        Holds(Refusal(), "TESSERA_LIBTORCH names", machine["nowhere"], "no libtorch", machine["nowhere/lib"]);
    }

    [Fact]
    public void The_named_libtorch_may_be_the_root_of_Debians_packages_or_the_folder_of_the_libraries()
    {
        machine.Debian("2.6");
        var packaged = machine.Packaged("debian-2.6");
        foreach (var named in new[] { "usr", "usr/lib/x86_64-linux-gnu" })
        {
            machine.Variables["TESSERA_LIBTORCH"] = machine[named];
            Assert.Equal(packaged, Choose().Path);
        }
    }

    [Fact]
    public void Without_any_libtorch_the_message_says_what_to_do_and_where_it_was_looked_for()
    {
        machine.Packaged("debian-1.13");
        machine.Variables["VIRTUAL_ENV"] = machine["venv"];
        Holds(Refusal(), "no libtorch", "libtorch-dev", "pip install torch", "TESSERA_LIBTORCH", machine["usr/lib/x86_64-linux-gnu"]);
    }

    [Fact]
    public void Where_none_fits_one_is_built_once()
    {
        machine.Tools("c++", "cmake", "ninja");
        machine.Packaged("debian-1.13");
        var torch = machine.Python("home/user/.local/lib/python3.12/site-packages", "2.11.0+cpu");
        var shim = Choose();
        Assert.StartsWith(machine["home/user/.cache/tessera/native/2.11-2.11.0+cpu-"], shim.Path, StringComparison.Ordinal);
        Assert.True(File.Exists(shim.Path));
        Assert.Equal(2, said.Count);
        Holds(said[0], "2.11.0+cpu", torch, "once", ".log");
        Holds(said[1], shim.Path, " s");
        var log = File.ReadAllText(said[0].Split("log: ")[1].TrimEnd(')'));
        Holds(log.ReplaceLineEndings(" "), $"-DTESSERA_LIBTORCH={torch}", "--target tessera");
        Assert.Equal(shim.Path, Choose(run: (_, _, _) => throw new InvalidOperationException("it was built before")).Path);
        Assert.Equal(2, said.Count);
    }

    [Fact]
    public void A_build_has_the_sources_beside_it_and_leaves_the_library_alone()
    {
        machine.Tools("g++", "cmake", "make");
        machine.Python("usr/local/lib/python3.12/dist-packages", "2.11.0+cpu");
        machine.Variables["XDG_CACHE_HOME"] = machine["cache"];
        string[] sources = [];
        var shim = Choose(
            run: (program, arguments, log) =>
            {
                if (arguments[0] == "-S")
                    sources = Directory.GetFiles(arguments[1], "*", SearchOption.AllDirectories);
                return Compile(program, arguments, log);
            }
        );
        Assert.StartsWith(machine["cache/tessera/native/"], shim.Path, StringComparison.Ordinal);
        Assert.Contains(sources, file => file.EndsWith("/CMakeLists.txt", StringComparison.Ordinal));
        Assert.Contains(sources, file => file.EndsWith("/kernels/avx2.cpp", StringComparison.Ordinal));
        Assert.Contains(sources, file =>
            file.EndsWith("/compat/torch/csrc/distributed/autograd/context/context.h", StringComparison.Ordinal)
        );
        Assert.DoesNotContain(sources, file => file.Contains("twin", StringComparison.Ordinal));
        Assert.Equal(["libtessera.so"], Directory.GetFileSystemEntries(Path.GetDirectoryName(shim.Path)!).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Two_that_need_the_same_library_at_once_build_it_once()
    {
        machine.Tools("g++", "cmake", "make");
        machine.Python("usr/local/lib/python3.12/dist-packages", "2.11.0+cpu");
        using var waiting = new ManualResetEventSlim();
        var builds = 0;
        ShimBuild Of(Action<string> say, Func<string, IReadOnlyList<string>, string, int> run) => new(machine.Places, say, run);
        var first = Of(
            _ => { },
            (program, arguments, log) =>
            {
                if (arguments[0] == "-S")
                {
                    Interlocked.Increment(ref builds);
                    waiting.Wait();
                }
                return Compile(program, arguments, log);
            }
        );
        var second = Of(
            line =>
            {
                Assert.Contains("waits for another process", line, StringComparison.Ordinal);
                waiting.Set();
            },
            (_, _, _) => throw new InvalidOperationException("the other builds it")
        );
        var one = Task.Run(() => ShimSearch.Choose(machine.Places, first, true).Path);
        while (Volatile.Read(ref builds) == 0 && !one.IsCompleted)
            await Task.Yield();
        var other = await Task.Run(() => ShimSearch.Choose(machine.Places, second, true).Path);
        Assert.Equal(await one, other);
        Assert.Equal(1, builds);
    }

    [Fact]
    public void A_lock_that_cannot_be_opened_is_an_error_and_not_another_process()
    {
        machine.Tools("g++", "cmake", "make");
        machine.Python("usr/local/lib/python3.12/dist-packages", "2.11.0+cpu");
        machine.Variables["XDG_CACHE_HOME"] = machine["cache"];
        var built = new ShimBuild(machine.Places, said.Add, Compile).PathOf(LibtorchSearch.Found(machine.Places)[0])!;
        var path = Path.GetDirectoryName(built) + ".lock";
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        // A socket is a file that is there and that nobody can open.
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(machine["socket"]));
        File.CreateSymbolicLink(path, machine["socket"]);
        Assert.True(File.Exists(path));
        Holds(Refusal(), "cannot build its native library", path);
        Assert.Empty(said);
    }

    [Fact]
    public void A_build_that_fails_names_its_log_and_leaves_nothing_that_could_be_loaded()
    {
        machine.Tools("g++", "cmake", "make");
        machine.Python("usr/local/lib/python3.12/dist-packages", "2.11.0+cpu");
        var message = Assert
            .Throws<DllNotFoundException>(() => Choose(run: (_, arguments, _) => arguments[0] == "--build" ? 2 : 0))
            .Message;
        Holds(message, "exit code 2", ".log");
        Assert.NotNull(Choose().Path);
    }

    [Fact]
    public void Without_a_compiler_the_message_names_the_libtorch_the_package_and_what_is_missing()
    {
        machine.Packaged("debian-1.13");
        machine.Packaged("debian-2.6");
        machine.Tools("make");
        var torch = machine.Python("venv/lib/python3.12/site-packages", "2.11.0+cpu");
        machine.Variables["TESSERA_LIBTORCH"] = torch;
        Holds(Refusal(), "libtorch 2.11.0+cpu", torch, "Tessera.Torch 0.", "debian-1.13, debian-2.6 only", "without g++ and cmake");
    }

    [Fact]
    public void Without_headers_nothing_can_be_built()
    {
        machine.Tools("g++", "cmake", "make");
        machine.Debian("2.6");
        Holds(Refusal(), "libtorch 2.6", "for none", "headers");
    }

    [Fact]
    public void A_build_can_be_forbidden()
    {
        machine.Tools("g++", "cmake", "make");
        machine.Python("usr/local/lib/python3.12/dist-packages", "2.11.0+cpu");
        Holds(Refusal(mayBuild: false), "TESSERA_BUILD_NATIVE", "Tessera.BuildNative");
        Assert.Empty(said);
    }

    [Fact]
    public void A_library_is_loaded_after_what_its_libtorch_needs()
    {
        var torch = machine.Python("usr/local/lib/python3.12/dist-packages", "2.11.0+cpu");
        var packaged = machine.Packaged("2.11");
        Assert.Equal(["libm.so.6", $"{torch}/lib/libc10.so", $"{torch}/lib/libtorch_cpu.so"], Choose().LoadedFirst(machine.Places));
        Assert.Empty(new Shim(packaged, null).LoadedFirst(machine.Places));
    }

    [Theory]
    [InlineData("linux-musl-x64", "glibc")]
    [InlineData("alpine.3.22-x64", "musl")]
    [InlineData("win-x64", "glibc")]
    [InlineData("osx-arm64", "glibc")]
    public void A_system_without_glibc_is_refused(string rid, string part)
    {
        machine.Rid = rid;
        Holds(machine.Places.Unsupported!, part, rid);
        machine.Rid = "linux-x64";
        Assert.Null(machine.Places.Unsupported);
        machine.Rid = "debian.13-arm64";
        Assert.Null(machine.Places.Unsupported);
    }
}
